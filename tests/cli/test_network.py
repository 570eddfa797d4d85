"""`mycelium network`: a network is made, members are admitted, listed and removed, and a daemon is told."""

import json
from pathlib import Path

import pytest

from mycelium.admin.keyfile import load_identity
from mycelium.admin.network_file import read_network
from mycelium.admin.network_root import read_root
from mycelium.admin.removals_file import REMOVALS_FILE_BYTES, read_removals
from mycelium.cli.main import main
from mycelium.identity import Identity
from mycelium.peer_url import pin_text
from mycelium.wire.membership import Certificate
from tests.api.support import LOOPBACK, FakeNode
from tests.cli.support import served
from tests.support.members import holder_of

Capture = pytest.CaptureFixture[str]
OTHER = Identity(b"x" * 32)


def text_of(identity: Identity) -> str:
    """Returns what `mycelium network key` prints for a node."""
    holder = holder_of(identity)
    return pin_text(holder.key, holder.fingerprint)


OTHER_KEY = text_of(OTHER)


def own_certificate(file: Path) -> Certificate:
    credentials = read_network(file).credentials
    assert credentials is not None
    return credentials.chain.own


@pytest.fixture
def root(home: Path) -> str:
    path = str(home / "corp.root")
    assert main(["network", "create", path]) == 0
    return path


def test_this_host_is_admitted_and_another_one_by_its_key(root: str, home: Path, capsys: Capture) -> None:
    own, other = home / "own", home / "other"
    assert main(["network", "admit", root, str(own)]) == 1
    assert "no key yet" in capsys.readouterr().err
    assert main(["generate-keys"]) == 0
    assert main(["network", "admit", root, str(own), "--may-invite", "--days", "7"]) == 0
    capsys.readouterr()
    assert main(["network", "admit", root, str(other), OTHER_KEY]) == 0
    assert "no ML-DSA key" not in capsys.readouterr().out
    me = load_identity(home / ".local/share/mycelium/priv_key.bin")
    mine, theirs = own_certificate(own), own_certificate(other)
    assert (mine.key, mine.fingerprint, mine.may_issue) == (me.signing_public_key, holder_of(me).fingerprint, True)
    assert (theirs.key, theirs.fingerprint) == (OTHER.signing_public_key, holder_of(OTHER).fingerprint)
    assert not theirs.may_issue
    assert read_network(own).key == read_network(other).key
    assert own.stat().st_mode & 0o777 == 0o600
    capsys.readouterr()
    assert main(["network", "key"]) == 0
    assert capsys.readouterr().out == f"{text_of(me)}\n"


def test_a_host_with_an_imported_key_is_admitted_without_an_mldsa_key_and_may_not_invite(
    root: str, home: Path, capsys: Capture
) -> None:
    key = OTHER.signing_public_key.hex()
    assert main(["network", "admit", root, str(home / "file"), key]) == 0
    assert "its certificate names no ML-DSA key, so whoever breaks X25519 can pose as it" in capsys.readouterr().out
    assert own_certificate(home / "file").fingerprint is None
    assert main(["network", "admit", root, str(home / "file"), key, "--may-invite"]) == 1
    assert "the fingerprint is missing that 'mycelium network key' prints" in capsys.readouterr().err


def test_members_are_listed(root: str, home: Path, capsys: Capture) -> None:
    assert main(["network", "admit", root, str(home / "a"), OTHER_KEY, "--may-invite"]) == 0
    assert main(["network", "remove", root, "4ab:1:2:3::1"]) == 0
    capsys.readouterr()
    assert main(["network", "members", root]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed[0].endswith("  may invite")
    assert listed[1] == "4ab:1:2:3::/64  removed"
    assert main(["network", "members", root, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["members"][0]["mayInvite"], told["removed"]) == (True, ["4ab:1:2:3::"])


def test_a_daemon_is_told_who_was_removed(root: str, home: Path, capsys: Capture) -> None:
    assert main(["network", "remove", root, "4ab:1:2:3::1"]) == 0
    file = f"{root}.removed"
    assert file in capsys.readouterr().out
    node = FakeNode()
    with served(node, LOOPBACK) as address:
        assert main(["network", "tell", file, "--api-addr", str(address)]) == 0
        assert main(["network", "tell", file, "--api-addr", str(address)]) == 0
    assert capsys.readouterr().out == "told: it spreads by itself\nknown already\n"
    assert read_removals(node.removals[0], "")[0].sequence == read_root(Path(root)).sequence == 1


def test_a_root_from_a_backup_is_brought_up_to_date_by_what_a_member_keeps(
    root: str, home: Path, capsys: Capture
) -> None:
    backup = Path(root).read_bytes()
    assert main(["network", "remove", root, "4ab:1:2:3::1"]) == 0
    Path(root).write_bytes(backup)
    kept = Path(f"{root}.removed")  # a member keeps the same
    capsys.readouterr()
    for more in (1, 0):
        assert main(["network", "recover", root, str(kept)]) == 0
        assert capsys.readouterr().out == f"{root} knows of 1 removed now, {more} more than before\n"
    assert read_root(Path(root)).sequence > 1


@pytest.mark.parametrize("arguments", [["tell"], ["recover", "{root}"]])
def test_a_list_of_which_a_part_would_not_be_read_is_refused(
    root: str, home: Path, capsys: Capture, arguments: list[str]
) -> None:
    assert main(["network", "remove", root, "4ab:1:2:3::1"]) == 0
    long = home / "long"
    long.write_bytes(Path(f"{root}.removed").read_bytes().ljust(REMOVALS_FILE_BYTES + 1, b"\n"))
    assert main(["network", *(one.format(root=root) for one in arguments), str(long)]) == 2
    assert f"{long} is longer than" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["create", "{root}"], 1, "exists already"),
        (["admit", "{root}", "file", "abc"], 2, "'abc' is not what 'mycelium network key' prints"),
        (["admit", "missing", "file", "ab" * 32], 2, "cannot read the root file missing"),
        (["admit", "{root}", "none/file", OTHER_KEY], 1, "cannot write none/file"),
        (["remove", "{root}", "berlin"], 2, "'berlin' is not the address of a node"),
        (["tell", "missing"], 1, "cannot read missing"),
        (["recover", "{root}", "missing"], 1, "cannot read missing"),
        (["recover", "{root}", "{text}"], 2, "is not what 'mycelium network remove' writes"),
        (["tell", "{text}"], 2, "is not what 'mycelium network remove' writes"),
    ],
)
def test_a_mistake_is_explained(
    root: str, home: Path, capsys: Capture, arguments: list[str], status: int, reason: str
) -> None:
    text = home / "text"
    text.write_text("a")
    assert main(["network", *(one.format(root=root, text=text) for one in arguments)]) == status
    assert reason in capsys.readouterr().err
