"""The invitations of a node: made, used as often as they may be, kept over restarts, and forgotten."""

import asyncio
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mycelium.admin.control import InvitationWish
from mycelium.admin.join_uri import JoinUri
from mycelium.admin.keyfile import invitations_path
from mycelium.crypto.join_handshake import JoinInitiator
from mycelium.crypto.primitives import RealPrimitives
from mycelium.daemon.invitations import LONGEST_S, REMEMBERED_S, Invitation, Inviter, NetworkSecrets, read_invitations
from mycelium.endpoint import Endpoint
from mycelium.errors import ConfigError, DiskError, LocalError
from mycelium.identity import Identity
from mycelium.limits import INVITATION_USES, INVITATIONS
from mycelium.membership.certificates import Holder
from mycelium.node.event_kind import EventKind
from mycelium.outbox import JoinAsked
from mycelium.wire.join import JoinAnswer, JoinStatus
from mycelium.wire.underlay_address import UnderlayAddress
from sim.net.node_net import NodeNet
from tests.crypto.support import entropy_of

HERE = Endpoint("udp", "192.0.2.1", 4001)
HUB = ["hub.example.org"]
START = 1_700_000_000.0


class Member:
    """A node with an inviter, whose clock the test sets."""

    def __init__(self, folder: Path) -> None:
        self.node = NodeNet().add("a").node
        self.key_file = folder / "key"
        self.clock = START
        self.seeds = count()
        self.label = b""  # of what makes a node a member
        self.refusal = ""
        self.restart()

    def restart(self) -> None:
        network = NetworkSecrets("corp", b"k" * 32)
        self.inviter = Inviter(
            self.node,
            lambda action: action(1_000.0),
            network,
            self.key_file,
            admit=self.admit,
            clock=lambda: self.clock,
        )

    def admit(self, holder: Holder) -> bytes:
        """Returns what makes a node a member: nothing, in a network without members."""
        if self.refusal:
            raise LocalError(self.refusal)
        return self.label + holder.key + (holder.fingerprint or b"") if self.label else b""

    def invite(self, **wish: Any) -> JoinUri:
        made = asyncio.run(self.inviter.grant(InvitationWish(**{"at": HUB} | wish), []))
        return JoinUri.parse(Path(made.file).read_text())

    def ask(self, uri: JoinUri, name: bytes = b"b") -> JoinAnswer | None:
        """Asks as the node with a name does; None for no answer."""
        self.node.outbox.clear()
        one, events = self.begin(uri, name)
        for event in events:
            asyncio.run(self.inviter.serve(event))
        replies = [bytes(buffers[0]) for _, buffers, *_ in self.node.outbox.transmits]
        return one.receive_reply(replies[-1]) if replies else None

    def begin(self, uri: JoinUri, name: bytes = b"b") -> tuple[JoinInitiator, list[JoinAsked]]:
        """Returns what asks, and what the node takes of its request."""
        pin = uri.peers[0].pin
        assert pin is not None
        entropy = entropy_of(next(self.seeds))
        one = JoinInitiator(
            Identity(name * 32), name * 16, uri.token, pin=pin, entropy=entropy, primitives=RealPrimitives()
        )
        [request] = one.requests()
        self.node.receive(HERE, memoryview(request), len(request), now=1_000.0)
        return one, [event for event in self.node.outbox.events if isinstance(event, JoinAsked)]

    def kinds(self) -> list[EventKind]:
        return [entry.kind for entry in self.node.journal.after(0)]


@pytest.fixture
def member(tmp_path: Path) -> Member:
    return Member(tmp_path)


def granted(name: str = "") -> JoinAnswer:
    return JoinAnswer(JoinStatus.GRANTED, b"k" * 32, "corp", name)


def test_an_invitation_lets_one_node_in_and_tells_the_others_why_not(member: Member) -> None:
    uri = member.invite(name="Laptop")
    assert (uri.network_name, uri.peers[0].pin) == ("corp", member.node.identity.exchange_public_key)
    assert uri.peers[0].fingerprint == member.node.prover.fingerprint
    assert member.ask(uri) == granted("laptop")
    assert member.ask(uri, b"c") == JoinAnswer(JoinStatus.USED)
    assert member.kinds() == [EventKind.JOINED, EventKind.JOIN_REFUSED]


def test_a_node_whose_answer_was_lost_may_ask_again(member: Member) -> None:
    uri = member.invite()
    assert member.ask(uri) == granted()
    member.restart()
    assert member.ask(uri) == granted()


def test_an_invitation_may_be_for_several(member: Member) -> None:
    uri = member.invite(uses=2)
    answers = [member.ask(uri, name) for name in (b"b", b"c", b"d")]
    assert [answer.status for answer in answers if answer] == [0, 0, JoinStatus.USED]


def test_it_expires_and_says_so_for_a_day(member: Member) -> None:
    uri = member.invite(valid_s=60.0)
    member.clock += 60
    assert member.ask(uri) == JoinAnswer(JoinStatus.EXPIRED)
    member.clock += REMEMBERED_S
    member.invite()
    assert member.ask(uri, b"c") is None


def test_one_that_was_made_by_a_clock_years_ahead_lets_nobody_in_once_that_is_set(member: Member) -> None:
    member.clock += 10 * LONGEST_S
    uri = member.invite()
    member.clock -= 10 * LONGEST_S
    assert member.ask(uri) == JoinAnswer(JoinStatus.EXPIRED)
    longest = member.invite(valid_s=LONGEST_S)
    member.clock -= 60  # as time servers set it
    assert member.ask(longest) == granted()


def test_a_clock_that_is_years_ahead_for_a_while_has_none_forgotten(member: Member) -> None:
    uri = member.invite(valid_s=60.0)
    member.clock += 10 * LONGEST_S
    member.invite()
    assert member.ask(uri) == JoinAnswer(JoinStatus.EXPIRED)
    member.clock -= 10 * LONGEST_S
    assert member.ask(uri) == granted()


def test_it_outlives_a_restart_with_its_uses(member: Member) -> None:
    used, unused = member.invite(), member.invite()
    member.ask(used)
    member.restart()
    assert member.ask(used, b"c") == JoinAnswer(JoinStatus.USED)
    assert member.ask(unused, b"c") == granted()
    assert invitations_path(member.key_file).stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_noted_is_not_granted(member: Member, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    uri = member.invite()
    member.key_file = tmp_path / "gone" / "key"
    member.inviter._key_file = member.key_file
    assert member.ask(uri) == JoinAnswer(JoinStatus.FAILED)
    assert caplog.messages[0].startswith(f"nobody can join: cannot write {invitations_path(member.key_file)}")
    with pytest.raises(DiskError, match="cannot write the invitation to"):
        member.invite()
    member.inviter._key_file = tmp_path / "key"
    assert member.ask(uri, b"c") == granted()


def test_who_asks_again_meanwhile_is_not_granted_what_cannot_be_noted(member: Member, tmp_path: Path) -> None:
    uri = member.invite()
    member.inviter._key_file = tmp_path / "gone" / "key"
    member.node.outbox.clear()
    member.begin(uri)
    _, asked = member.begin(uri)
    assert len(asked) == 2

    async def ask_at_once() -> None:
        await asyncio.gather(*(member.inviter.serve(event) for event in asked))

    asyncio.run(ask_at_once())
    assert member.kinds() == [EventKind.JOIN_REFUSED] * 2


def test_old_ones_give_way_and_open_ones_do_not(member: Member) -> None:
    first = member.invite()
    for _ in range(INVITATIONS - 1):
        member.invite()
    with pytest.raises(LocalError, match=f"{INVITATIONS} invitations are open already"):
        member.invite()
    member.ask(first)
    member.invite()
    assert member.ask(first, b"c") is None
    assert len(list(member.key_file.parent.glob("key.invitation-*"))) == INVITATIONS


def test_a_file_that_cannot_be_taken_away_keeps_nobody_from_inviting(member: Member) -> None:
    member.invite()
    [file] = member.key_file.parent.glob("key.invitation-*")
    file.unlink()
    file.mkdir()  # which root can't unlink either
    member.clock += 2 * LONGEST_S / 366 + REMEMBERED_S
    assert member.ask(member.invite()) == granted()


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"uses": 0}, "uses must be 1 to"),
        ({"uses": INVITATION_USES + 1}, "uses must be 1 to"),
        ({"valid_s": 0.5}, "valid for 1 second to"),
        ({"valid_s": LONGEST_S * 2}, "valid for 1 second to"),
        ({"valid_s": float("nan")}, "valid for 1 second to"),
        ({"name": "two words"}, "is not a valid name"),
        ({"at": ["ftp://x"]}, "'ftp' is not one of the schemes"),
        ({"at": [f"udp://hub:1#{'ab' * 32}"]}, "is another node's"),
        ({"at": ["h" * 63 + ".example.org:19651"]}, "too long for an invitation"),
    ],
)
def test_an_invalid_wish_is_refused(member: Member, wish: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        member.invite(**wish)


def test_without_an_address_named_the_likeliest_are_taken(member: Member) -> None:
    with pytest.raises(LocalError, match="knows no address at which others reach it"):
        member.invite(at=[])
    member.node.outside.set_own([UnderlayAddress("192.0.2.7", 9651), UnderlayAddress("192.0.2.8", 7)])

    async def grant() -> str:
        listening = [Endpoint("udp", "::", 9651), Endpoint("tcp", "::", 9651)]
        return (await member.inviter.grant(InvitationWish(), listening)).file

    peers = JoinUri.parse(Path(asyncio.run(grant())).read_text()).peers
    assert [(peer.scheme, peer.host) for peer in peers] == [("", "192.0.2.7"), ("udp", "192.0.2.8")]


def test_the_file_of_a_newer_version_is_said_to_be_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "key.invitations"
    path.write_bytes(b"# mycelium 999.1\n{}\n")
    assert read_invitations(path) == []
    [told] = caplog.messages
    assert told.startswith(f"all invitations are void: {path} was written by mycelium 999.1, and this is ")


@pytest.mark.parametrize("content", [b"", b"[", b"[" * 10_000, b'[{"secret": 1}]', b"\xff"])
def test_a_damaged_file_is_said_and_forgotten(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "key.invitations"
    path.write_bytes(content)
    assert read_invitations(path) == []
    path.unlink()
    path.mkdir()
    assert read_invitations(path) == []
    whys = (f"{path} holds something else", f"{path} is not a regular file")
    assert caplog.messages == [f"all invitations are void: {why}" for why in whys]


def test_an_invitation_to_a_network_of_members_makes_one_of_the_node_that_asks(member: Member) -> None:
    member.label = b"member "
    answer = member.ask(member.invite(), b"b")
    assert answer is not None
    assert answer.membership == b"member " + Identity(b"b" * 32).signing_public_key + b"b" * 16


def test_a_member_that_may_not_invite_makes_no_invitation(member: Member) -> None:
    member.refusal = "this member may not invite others"
    with pytest.raises(LocalError, match="may not invite others"):
        member.invite()


def test_a_member_that_may_not_invite_any_more_lets_nobody_in_by_its_invitations_and_says_why(member: Member) -> None:
    uri = member.invite()
    member.refusal = "this member may not invite others"
    assert member.ask(uri) == JoinAnswer(JoinStatus.MAY_NOT)
    member.refusal = ""
    answer = member.ask(uri, b"c")
    assert answer is not None
    assert answer.status == JoinStatus.GRANTED  # it was not used before


def test_one_damaged_entry_makes_no_other_void(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, good = tmp_path / "key.invitations", Invitation(secret=bytes(32), uses=1, expires=1e10)
    for damage in (b"1", b'{"secret": 1}', b'{"uses": 1}'):
        path.write_bytes(b"[" + damage + b", " + msgspec.json.encode(good) + b"]")
        assert read_invitations(path) == [good]
        assert caplog.messages == [f"some invitations are void: {path} holds something else"]
        caplog.clear()
