import pytest

from mycelium.channel.keypair import Keypair
from mycelium.channel.simultaneous_open import SIMULTANEOUS_S, is_superseded
from tests.channel.support import OWN_KEY, agreed_keys

LOWER, HIGHER = b"\x01" * 32, b"\x09" * 32


def keypair(*, is_ours: bool, peer_key: bytes, established: float) -> Keypair:
    return Keypair(agreed_keys(is_initiator=is_ours, peer_key=peer_key), now=established)


@pytest.mark.parametrize("order", [-1, 1])
@pytest.mark.parametrize(("peer_key", "ours_wins"), [(LOWER, False), (HIGHER, True)])
def test_of_simultaneous_handshakes_the_lower_key_s_wins_in_whatever_order(
    peer_key: bytes, ours_wins: bool, order: int
) -> None:
    ours = keypair(is_ours=True, peer_key=peer_key, established=50.0)
    others = keypair(is_ours=False, peer_key=peer_key, established=50.0 + order)
    assert is_superseded(ours, others, OWN_KEY) is not ours_wins
    assert is_superseded(others, ours, OWN_KEY) is ours_wins


@pytest.mark.parametrize("peer_key", [LOWER, HIGHER])
def test_later_the_newer_keypair_wins_whoever_started(peer_key: bytes) -> None:
    old = keypair(is_ours=True, peer_key=peer_key, established=0.0)
    new = keypair(is_ours=False, peer_key=peer_key, established=SIMULTANEOUS_S)
    assert is_superseded(old, new, OWN_KEY)
    assert not is_superseded(new, old, OWN_KEY)


def test_of_two_handshakes_that_one_end_started_the_newer_wins_however_close() -> None:
    old = keypair(is_ours=True, peer_key=LOWER, established=0.0)
    new = keypair(is_ours=True, peer_key=LOWER, established=0.1)
    assert is_superseded(old, new, OWN_KEY)
    assert not is_superseded(new, old, OWN_KEY)
    assert not is_superseded(old, old, OWN_KEY)
