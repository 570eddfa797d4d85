"""The end-to-end handshake in memory: what completes, what is refused, and that a forgery never ends a handshake."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from mycelium.crypto.handshake import NO_PSK, AgreedKeys
from mycelium.crypto.session_handshake import SessionInitiator, answer_request, prologue
from mycelium.errors import HandshakeError
from mycelium.identity import Identity
from mycelium.wire.datagram import SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305
from mycelium.wire.train import SESSION_REPLY_BYTES, SESSION_REQUEST_BYTES
from tests.crypto.support import ALICE, BOB, carries, config_of, flip
from tests.crypto.test_primitives import LOW_ORDER_KEYS

PSK = bytes(range(100, 132))
PROLOGUE = prologue(ALICE.address, BOB.address, initiator_index=7, offered=3)
CAROL = Identity(bytes(range(64, 96)))
AES = SUITE_AES_256_GCM


def new_initiator(
    identity: Identity = ALICE,
    peer: bytes = BOB.signing_public_key,
    *,
    psk: bytes = NO_PSK,
    suites: int = 3,
    seed: int = 1,
) -> SessionInitiator:
    return SessionInitiator(
        config_of(identity, psk=psk, suites=suites, seed=seed), peer, local_index=7, prologue=PROLOGUE
    )


def answer(
    request: bytes,
    identity: Identity = BOB,
    *,
    suite: int = AES,
    psk: bytes = NO_PSK,
    prologue: bytes = PROLOGUE,
    seed: int = 2,
) -> tuple[bytes, AgreedKeys]:
    config = config_of(identity, psk=psk, seed=seed)
    return answer_request(config, request, suite=suite, local_index=9, remote_index=7, prologue=prologue)


def receive(initiator: SessionInitiator, reply: bytes, *, suite: int = AES) -> AgreedKeys:
    return initiator.receive_reply(reply, suite=suite, remote_index=9)


@pytest.mark.parametrize("psk", [NO_PSK, PSK], ids=["open", "private"])
@pytest.mark.parametrize("suite", [SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305])
def test_both_ends_agree_on_everything(psk: bytes, suite: int) -> None:
    initiator = new_initiator(psk=psk)

    reply, theirs = answer(initiator.request, suite=suite, psk=psk)
    ours = receive(initiator, reply, suite=suite)

    assert (ours.peer_exchange_key, ours.peer_address) == (BOB.exchange_public_key, BOB.address)
    assert (theirs.peer_exchange_key, theirs.peer_address) == (ALICE.exchange_public_key, ALICE.address)
    assert (ours.local_index, ours.remote_index) == (theirs.remote_index, theirs.local_index) == (7, 9)
    assert (ours.is_initiator, theirs.is_initiator) == (True, False)
    for keys in (ours, theirs):
        assert isinstance(keys.sealing.cipher, AESGCM if suite == AES else ChaCha20Poly1305)
    assert carries(ours.sealing, theirs.opening)
    assert carries(theirs.sealing, ours.opening)
    assert not carries(ours.sealing, ours.opening)


def test_the_messages_have_exactly_the_sizes_of_the_wire_format() -> None:
    initiator = new_initiator()
    reply, _ = answer(initiator.request)

    assert [len(initiator.request), len(reply)] == [1_296, 1_152] == [SESSION_REQUEST_BYTES, SESSION_REPLY_BYTES]


def test_no_static_key_travels_in_clear() -> None:
    initiator = new_initiator()
    reply, _ = answer(initiator.request)

    for message in (initiator.request, reply):
        for identity in (ALICE, BOB):
            assert identity.signing_public_key not in message
            assert identity.exchange_public_key not in message


def test_a_forged_request_draws_no_reply() -> None:
    initiator = new_initiator()

    for bit in range(0, SESSION_REQUEST_BYTES * 8, 151):
        with pytest.raises(HandshakeError):
            answer(flip(initiator.request, bit))


def test_a_forged_reply_is_refused_and_the_real_one_still_completes() -> None:
    initiator = new_initiator()
    reply, theirs = answer(initiator.request)

    for bit in range(0, SESSION_REPLY_BYTES * 8, 151):
        with pytest.raises(HandshakeError):
            receive(initiator, flip(reply, bit))

    assert carries(receive(initiator, reply).sealing, theirs.opening)


@pytest.mark.parametrize("suite", [0, 3, 255, SUITE_CHACHA20_POLY1305])
def test_a_suite_changed_on_the_way_is_noticed(suite: int) -> None:
    initiator = new_initiator()
    reply, _ = answer(initiator.request)

    with pytest.raises(HandshakeError):
        receive(initiator, reply, suite=suite)

    assert isinstance(receive(initiator, reply).sealing.cipher, AESGCM)


def test_an_index_changed_on_the_way_is_noticed() -> None:
    initiator = new_initiator()
    reply, _ = answer(initiator.request)
    with pytest.raises(HandshakeError):
        initiator.receive_reply(reply, suite=AES, remote_index=10)
    assert receive(initiator, reply).remote_index == 9


def test_a_suite_that_was_not_offered_is_refused() -> None:
    initiator = new_initiator(suites=SUITE_CHACHA20_POLY1305)
    reply, _ = answer(initiator.request, suite=AES)

    with pytest.raises(HandshakeError, match="not offered"):
        receive(initiator, reply, suite=AES)


def test_another_prologue_draws_no_reply() -> None:
    with pytest.raises(HandshakeError):
        answer(new_initiator().request, prologue=flip(PROLOGUE, 0))


def test_a_network_of_another_name_draws_no_reply() -> None:
    config = config_of(BOB, network_id=b"network1", seed=2)
    with pytest.raises(HandshakeError):
        answer_request(config, new_initiator().request, suite=AES, local_index=9, remote_index=7, prologue=PROLOGUE)


def test_only_the_addressed_node_can_read_a_request() -> None:
    with pytest.raises(HandshakeError):
        answer(new_initiator().request, CAROL)


def test_a_different_pre_shared_key_fails_at_the_reply() -> None:
    initiator = new_initiator(psk=PSK)
    reply, _ = answer(initiator.request)

    with pytest.raises(HandshakeError, match="authenticate"):
        receive(initiator, reply)


def test_a_reply_to_another_request_is_refused() -> None:
    reply, _ = answer(new_initiator(seed=5).request)

    with pytest.raises(HandshakeError):
        receive(new_initiator(seed=6), reply)


def test_a_session_with_oneself_is_refused() -> None:
    with pytest.raises(HandshakeError, match="itself"):
        new_initiator(ALICE, ALICE.signing_public_key)


def test_a_reply_again_yields_no_second_set_of_the_same_keys() -> None:
    initiator = new_initiator()
    reply, _ = answer(initiator.request)
    receive(initiator, reply)
    with pytest.raises(HandshakeError, match="complete"):
        receive(initiator, reply)


@pytest.mark.parametrize("key", LOW_ORDER_KEYS, ids=bytes.hex)
def test_an_ephemeral_key_of_small_order_is_refused_by_both_ends(key: bytes) -> None:
    initiator = new_initiator()
    with pytest.raises(HandshakeError, match="X25519"):
        answer(key + initiator.request[32:])

    reply, _ = answer(initiator.request)
    with pytest.raises(HandshakeError, match="X25519"):
        receive(initiator, key + reply[32:])


@pytest.mark.parametrize("key", [b"", bytes(32), b"\xff" * 32])
def test_a_peer_key_that_is_none_is_refused(key: bytes) -> None:
    with pytest.raises(HandshakeError):
        new_initiator(peer=key)


@given(st.binary(max_size=1_400), st.integers(0, 255))
def test_any_bytes_raise_only_handshake_errors(data: bytes, suite: int) -> None:
    with pytest.raises(HandshakeError):
        answer(data, suite=suite)
    with pytest.raises(HandshakeError):
        receive(new_initiator(), data, suite=suite)
    with pytest.raises(HandshakeError):
        answer(data.ljust(SESSION_REQUEST_BYTES, b"\x09")[:SESSION_REQUEST_BYTES], suite=suite)
    with pytest.raises(HandshakeError):
        receive(new_initiator(), data.ljust(SESSION_REPLY_BYTES, b"\x09")[:SESSION_REPLY_BYTES], suite=suite)
