import pytest

from mycelium.channel.keypair import IDLE_KEPT_S, REJECT_AFTER_S, REKEY_AFTER_S, RESPONDER_REKEYS_LATER_S, Keypair
from mycelium.crypto.keys import REKEY_BLOCKS
from tests.channel.support import OWN_KEY, agreed_keys


@pytest.mark.parametrize(
    ("is_initiator", "limit_s"), [(True, REKEY_AFTER_S), (False, REKEY_AFTER_S + RESPONDER_REKEYS_LATER_S)]
)
def test_a_rekey_is_due_after_its_time_at_the_initiator_first(is_initiator: bool, limit_s: float) -> None:
    keypair = Keypair(agreed_keys(is_initiator=is_initiator), now=100.0)
    assert not keypair.wants_replacement(now=100.0 + limit_s)
    assert keypair.wants_replacement(now=100.1 + limit_s)


@pytest.mark.parametrize("is_initiator", [True, False])
def test_a_rekey_is_due_at_once_when_much_was_sealed(is_initiator: bool) -> None:
    keypair = Keypair(agreed_keys(is_initiator=is_initiator), now=0.0)
    keypair.sealing.blocks = REKEY_BLOCKS - 1
    assert not keypair.wants_replacement(now=1.0)
    keypair.sealing.blocks = REKEY_BLOCKS
    assert keypair.wants_replacement(now=1.0)


def test_a_keypair_holds_what_the_handshake_yielded() -> None:
    keys = agreed_keys(is_initiator=True, index=3)
    keypair = Keypair(keys, now=7.0)
    assert (keypair.local_index, keypair.remote_index) == (3, 103)
    assert (keypair.sealing, keypair.opening) == (keys.sealing, keys.opening)
    assert (keypair.established, keypair.last_opened) == (7.0, 7.0)


def test_a_keypair_is_idle_some_time_after_it_last_opened_something() -> None:
    keypair = Keypair(agreed_keys(is_initiator=True), now=0.0)
    keypair.last_opened = 50.0
    assert not keypair.is_idle(now=50.0 + IDLE_KEPT_S)
    assert keypair.is_idle(now=50.1 + IDLE_KEPT_S)


def test_a_keypair_expires_long_after_both_ends_should_have_replaced_it() -> None:
    keypair = Keypair(agreed_keys(is_initiator=True), now=0.0)
    keypair.last_opened = REJECT_AFTER_S
    assert not keypair.is_expired(now=REJECT_AFTER_S)
    assert keypair.is_expired(now=REJECT_AFTER_S + 0.1)
    assert REJECT_AFTER_S > 1.5 * (REKEY_AFTER_S + RESPONDER_REKEYS_LATER_S)


def test_a_keypair_tells_whose_handshake_it_came_of() -> None:
    peer_key = b"\x01" * 32
    assert Keypair(agreed_keys(is_initiator=True, peer_key=peer_key), now=0.0).initiator_key(OWN_KEY) == OWN_KEY
    assert Keypair(agreed_keys(is_initiator=False, peer_key=peer_key), now=0.0).initiator_key(OWN_KEY) == peer_key
