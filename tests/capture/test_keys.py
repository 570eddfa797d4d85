"""Keys in captures: told once each, read back, and never shown by accident."""

import pytest

from mycelium.capture.keys import LINK, SESSION, KeyLog, KnownKey, read_keys
from mycelium.channel.keypair import Keypair
from mycelium.errors import DecodeError
from tests.channel.support import agreed_keys

PEER = bytes.fromhex("04a4459a71c13cb007175626f0c8d354")


def test_each_keypair_is_told_once_and_read_back_for_both_directions() -> None:
    log = KeyLog()
    keypairs = [(PEER, Keypair(agreed_keys(is_initiator=True, index=number), now=0.0)) for number in (1, 0xABC)]
    lines = log.lines(LINK, keypairs[:1])
    assert read_keys(lines) == [
        KnownKey(LINK, 101, 2, bytes(32), PEER, is_sent=True),
        KnownKey(LINK, 1, 2, bytes(32), PEER, is_sent=False),
    ]
    assert [key.index for key in read_keys(log.lines(LINK, keypairs))] == [0xABC + 100, 0xABC]
    assert log.lines(LINK, keypairs) == ""
    assert log.lines(SESSION, keypairs) != ""


def test_keypairs_that_are_gone_are_not_remembered() -> None:
    log = KeyLog()
    for number in range(5):
        log.lines(LINK, [(PEER, Keypair(agreed_keys(is_initiator=True, index=number), now=0.0))])
    assert log._told == {LINK: {4}}


@pytest.mark.parametrize(
    "line", ["link", "link x 2 2 00 00 400::1", "link 1 2 2 0 00 400::1", "link 1 2 2 00 00 berlin"]
)
def test_a_damaged_line_is_refused(line: str) -> None:
    with pytest.raises(DecodeError, match="a key in this capture is damaged"):
        read_keys(line)


def test_no_log_shows_them() -> None:
    assert bytes(32).hex() not in repr(agreed_keys(is_initiator=True))
    assert str(bytes(32)) not in repr(agreed_keys(is_initiator=True).secrets)
