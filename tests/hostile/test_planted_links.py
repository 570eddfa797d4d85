"""A program that can write where a node keeps its state plants links there: to files that others wrote, or are to lose."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from mycelium.admin.keyfile import epoch_path, invitations_path, known_peers_path
from mycelium.daemon.epoch import next_epoch
from mycelium.daemon.invitations import Invitation, read_invitations
from mycelium.daemon.known_peers import read_known_peers, write_known_peers

LATER = 4_000_000_000  # an epoch that would make all later starts of the node look older
EPOCH = f"{LATER}\n".encode()
PEERS = f"udp://192.0.2.1:9651#{'09' * 32}\n".encode()
INVITATIONS = msgspec.json.encode([Invitation(secret=b"s" * 32, uses=9, expires=LATER)])


def start(key_file: Path) -> bool:
    """Tells whether a start takes the epoch that was planted."""
    return next_epoch(key_file) > LATER


def know(key_file: Path) -> bool:
    known = read_known_peers(known_peers_path(key_file))
    write_known_peers(known_peers_path(key_file), known)
    return bool(known)


def invite(key_file: Path) -> bool:
    return bool(read_invitations(invitations_path(key_file)))


@pytest.mark.parametrize(
    ("name", "planted", "takes"),
    [(epoch_path, EPOCH, start), (known_peers_path, PEERS, know), (invitations_path, INVITATIONS, invite)],
)
def test_state_is_read_and_written_through_no_link(
    tmp_path: Path, name: Callable[[Path], Path], planted: bytes, takes: Callable[[Path], bool]
) -> None:
    linked, plain = tmp_path / "linked", tmp_path / "plain"
    name(plain).write_bytes(planted)
    assert takes(plain)  # what is planted is what the node itself would have written
    others = tmp_path / "of-others"
    others.write_bytes(planted)
    name(linked).symlink_to(others)
    assert not takes(linked)
    assert others.read_bytes() == planted
