"""The membership of a running node: its file, whom it makes members, who was removed, kept on disk."""

import asyncio
import contextlib
import errno
import logging
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from unittest.mock import Mock

import pytest

from mycelium.admin.config import Settings
from mycelium.admin.network_file import NetworkFile, write_member
from mycelium.admin.private_file import create_network_key, replace_private
from mycelium.admin.removals_file import REMOVALS_FILE_BYTES, removals_text
from mycelium.daemon import members
from mycelium.daemon.members import Members, removals_path
from mycelium.errors import ConfigError, LocalError
from mycelium.identity import Identity
from mycelium.membership.certificates import INVITED_S, SKEW_S, check_claims, check_signatures
from mycelium.node.member_gate import EXPIRED
from mycelium.node.node import Node
from mycelium.policy.node_policy import NodePolicy
from mycelium.policy.settings import parse_policy
from mycelium.wire.membership import Chain, Credentials, decode_credentials
from sim.net.node_net import NodeNet
from tests.lab.waiting import PATIENCE_S
from tests.support.members import (
    DAY_S,
    OTHER_ROOT,
    PRIMITIVES,
    PSK,
    ROOT_KEY,
    START,
    certificate,
    holder_of,
    key_of,
    removals,
)

OTHER = Identity(b"x" * 32)


class Running:
    """A node with its membership, whose clock the test sets."""

    def __init__(
        self,
        folder: Path,
        chain: Chain | None = None,
        *,
        end: int = START + DAY_S,
        may_issue: bool = False,
        clock: float = START,
    ) -> None:
        self.policy = NodePolicy(parse_policy("open"), is_private=True)
        self.node: Node = NodeNet(primitives=PRIMITIVES).add("a", psk=PSK, policy=self.policy).node
        own = certificate(self.node.identity, end=end, may_issue=may_issue)
        self.file = folder / "corp"
        self.settings = Settings(key_file=folder / "key", network_key_file=self.file)
        self.network = NetworkFile(PSK, Credentials(ROOT_KEY, Chain(own) if chain is None else chain))
        self.clock = float(clock)
        self.write(Chain(own))
        self.members = Members(
            self.node, self.policy, self.network, self.settings.key_file, self.act, clock=lambda: self.clock
        )

    def write(self, chain: Chain) -> None:
        write_member(self.file, PSK, Credentials(ROOT_KEY, chain))

    def act(self, action: Callable[[float], None]) -> None:
        action(monotonic())

    def run(self) -> None:
        """Runs the members' loop for one round, until all is saved."""
        gate = self.members._gate
        assert gate is not None

        async def saved() -> None:
            while self.members._saved != frozenset(gate.membership.removals.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

        async def round_() -> None:
            running = asyncio.ensure_future(self.members.run())
            await asyncio.sleep(0)
            await asyncio.wait_for(saved(), PATIENCE_S)
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

        asyncio.run(round_())


def test_a_network_without_members_has_nothing_of_it(tmp_path: Path) -> None:
    node = NodeNet().add("a").node
    policy = NodePolicy(parse_policy("open"), is_private=False)
    members = Members(node, policy, NetworkFile(bytes(32)), tmp_path / "key", lambda action: action(0.0))
    asyncio.run(members.run())
    assert (members.summary(), members.admit(holder_of(OTHER))) == (None, b"")
    assert asyncio.run(members.reload(Settings(key_file=tmp_path / "key"))) == []
    with pytest.raises(LocalError, match="has no members"):
        members.tell([removals(1)])


def test_a_file_that_makes_this_node_no_member_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the network's file is that of .*, another node"):
        Running(tmp_path, Chain(certificate(OTHER)))
    own = NodeNet().add("a").node.identity
    of_another_seed = certificate(own, fingerprint=bytes(range(16)))
    with pytest.raises(ConfigError, match="names another ML-DSA key: have it admitted again"):
        Running(tmp_path, Chain(of_another_seed))
    with pytest.raises(ConfigError, match="not of this network, or forged"):
        Running(tmp_path, Chain(certificate(OTHER, OTHER_ROOT)))


def test_a_member_that_may_invite_makes_members_for_a_year_at_most(tmp_path: Path) -> None:
    one = Running(tmp_path, may_issue=True, end=START + 9 * 365 * DAY_S)
    made = decode_credentials(one.members.admit(holder_of(OTHER)))
    check_signatures(made.chain, ROOT_KEY, PRIMITIVES)
    claims = check_claims(made.chain, at=START)
    assert claims.addresses == (OTHER.address, one.node.identity.address)
    assert (made.root, claims.fingerprint) == (ROOT_KEY, holder_of(OTHER).fingerprint)
    assert (made.chain.own.not_after, made.chain.own.may_issue) == (START + INVITED_S, False)
    short = Running(tmp_path, may_issue=True)
    assert decode_credentials(short.members.admit(holder_of(OTHER))).chain.own.not_after == START + DAY_S
    with pytest.raises(LocalError, match="may not invite others"):
        Running(tmp_path).members.admit(holder_of(OTHER))


def test_who_is_no_member_any_more_invites_nobody(tmp_path: Path) -> None:
    expired, removed = Running(tmp_path, may_issue=True), Running(tmp_path, may_issue=True)
    expired.clock += 2 * DAY_S
    with pytest.raises(LocalError, match="may not invite others any more: its certificate has expired"):
        expired.members.admit(holder_of(OTHER))
    removed.members.tell([removals(1, removed.node.identity)])
    with pytest.raises(LocalError, match="may not invite others any more: it was removed"):
        removed.members.admit(holder_of(OTHER))


def test_who_was_removed_is_told_kept_and_read_again(tmp_path: Path) -> None:
    one = Running(tmp_path)
    told = removals(1, OTHER)
    assert one.members.tell([told])
    assert not one.members.tell([told])
    assert one.policy.bars(OTHER.address)
    one.run()
    assert removals_path(one.settings.key_file).read_text() == removals_text([told]), "what earlier versions read too"
    again = Running(tmp_path)
    assert again.policy.bars(OTHER.address)
    assert again.members.summary() == "until 2027-01-16; 1 removed"
    for stale in (removals(0), removals(5, root=OTHER_ROOT)):
        with pytest.raises(
            LocalError,
            match=r"are older than those known here, or of another network; a root file from a backup .* recover ROOT",
        ):
            again.members.tell([stale])
    assert again.members.tell([told, removals(2, Identity(b"c" * 32), part=1)])
    assert again.members.summary() == "until 2027-01-16; 2 removed"


def test_who_was_removed_on_a_full_disk_is_written_once_it_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(members, "SWEEP_S", 0.01)
    one = Running(tmp_path, end=START + 99 * DAY_S)
    full = [OSError(errno.ENOSPC, "No space left on device")] * 3
    writing = Mock(side_effect=[*full, None, AssertionError("nothing is new")], wraps=replace_private)
    monkeypatch.setattr(members, "replace_private", writing)
    one.members.tell([removals(1)])
    one.run()
    assert writing.call_count == len(full) + 1
    assert caplog.messages == [f"cannot write who was removed to {tmp_path / 'key.removed'}: No space left on device"]


def test_who_was_removed_last_is_written_at_the_end(tmp_path: Path) -> None:
    one, told = Running(tmp_path), [removals(1)]

    async def run() -> None:
        running = asyncio.ensure_future(one.members.run())
        await asyncio.sleep(0)
        one.members.tell(told)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    asyncio.run(run())
    assert removals_path(tmp_path / "key").read_text() == removals_text(told)


def test_who_is_no_member_any_more_says_why_and_logs_it_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = Running(tmp_path, end=START + 60 * DAY_S)
    one.run()
    assert caplog.messages == []
    one.members.tell([removals(1, one.node.identity)])
    one.run()
    one.members.tell([removals(2, one.node.identity, OTHER)])
    one.run()
    assert one.members.summary() == "not now: it was removed"
    assert caplog.messages == ["this node is no member of its network now: it was removed"]
    (tmp_path / "other").mkdir()
    expired = Running(tmp_path / "other", end=START + 60 * DAY_S)
    expired.clock += 61 * DAY_S
    assert expired.members.summary() == "not now: its certificate has expired (the clock of this host shows 2027-03-17)"


@pytest.mark.parametrize(
    ("clock", "reason"),
    [
        (9 * DAY_S, "its certificate is not valid yet: is a clock wrong? (the clock of this host shows 1970-01-10)"),
        (START + 61 * DAY_S, "its certificate has expired (the clock of this host shows 2027-03-17)"),
    ],
)
def test_a_start_with_a_wrong_clock_says_so_and_is_a_members_once_that_is_set(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: int, reason: str
) -> None:
    one = Running(tmp_path, end=START + 60 * DAY_S, clock=clock)
    assert one.members.summary() == f"not now: {reason}"
    one.run()
    one.clock = START
    one.run()
    assert one.members.summary() == "until 2027-03-16; 0 removed"
    assert caplog.messages == [f"this node is no member of its network now: {reason}"]


@pytest.mark.parametrize(("set_by", "pardoned"), [(SKEW_S + 2, True), (-SKEW_S - 2, True), (SKEW_S - 2, False)])
def test_who_was_refused_may_try_again_once_the_clock_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set_by: int, pardoned: bool
) -> None:
    one = Running(tmp_path)
    one.run()
    assert one.members._gate is not None
    one.members._gate._bar(OTHER.address, EXPIRED, now=monotonic())
    changes: list[float] = []
    monkeypatch.setattr(one.node, "network_changed", lambda *, now: changes.append(now))  # has peers dialled at once
    one.clock += set_by
    one.run()
    assert one.policy.bars(OTHER.address) == (None if pardoned else EXPIRED)
    assert len(changes) == pardoned


def test_certificates_that_are_never_valid_together_are_refused_at_the_start(tmp_path: Path) -> None:
    issuer = certificate(OTHER, end=START + DAY_S, may_issue=True)
    own = certificate(NodeNet().add("a").node.identity, OTHER, begin=START + 2 * DAY_S, end=START + 3 * DAY_S)
    with pytest.raises(ConfigError, match="this node is no member: its certificate is not valid yet"):
        Running(tmp_path, Chain(own, issuer, key_of(OTHER).proof_key))


def test_what_is_damaged_of_a_list_is_asked_of_neighbours_and_the_rest_is_in_force(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = removals_path(tmp_path / "key")
    whole = removals_text([removals(1, OTHER)]).encode()
    for content, why, is_barred in (
        (b"", f"{path} is empty", False),
        (b"?", f"line 1 of {path} is not what", False),
        (whole[:-10], f"line 1 of {path} is not what", False),
        (whole + b"?", f"line 2 of {path} is not what", True),
        (b"\xff\0\n" + whole, f"line 1 of {path} is not what", True),
        (whole.ljust(REMOVALS_FILE_BYTES + 1, b"\n"), f"{path} is longer than", True),
    ):
        path.write_bytes(content)
        assert bool(Running(tmp_path).policy.bars(OTHER.address)) is is_barred
        assert f"who was removed is asked of neighbours: {why}" in caplog.text
        assert path.read_bytes() == content
        caplog.clear()


def test_a_list_that_says_which_version_wrote_it_is_read(tmp_path: Path) -> None:
    removals_path(tmp_path / "key").write_text("# mycelium 0.1.0\n" + removals_text([removals(1, OTHER)]))
    assert Running(tmp_path).policy.bars(OTHER.address)


def test_a_list_behind_a_link_is_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "planted").write_text(removals_text([removals(1, OTHER)]))
    removals_path(tmp_path / "key").symlink_to(tmp_path / "planted")
    assert not Running(tmp_path).policy.bars(OTHER.address)
    assert "is a symbolic link" in caplog.text


def test_another_certificate_is_read_and_one_that_is_no_good_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = Running(tmp_path)
    assert asyncio.run(one.members.reload(one.settings)) == []
    own = one.node.identity
    one.write(Chain(certificate(own, end=START + 2 * DAY_S, may_issue=True)))
    assert asyncio.run(one.members.reload(one.settings)) == ["member until 2027-01-17, may invite; 0 removed"]
    one.write(Chain(certificate(OTHER)))
    assert asyncio.run(one.members.reload(one.settings)) == []
    assert "this node goes on with the certificate that it has" in caplog.text
    one.file.unlink()
    create_network_key(one.file, PSK)
    assert asyncio.run(one.members.reload(one.settings)) == []
    assert "has no certificate" in caplog.text
    assert one.members.summary() == "until 2027-01-17, may invite; 0 removed"


def test_a_certificate_that_ends_soon_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "mycelium")
    one = Running(tmp_path)
    one.run()
    one.run()
    assert [record.message for record in caplog.records] == [
        "this node is a member until 2027-01-16; 0 removed: have it admitted again before that"
    ]
