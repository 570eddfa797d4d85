"""The end-to-end handshake in memory: what completes, what is refused, and that a forgery never ends a handshake."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.crypto.noise import NO_PSK
from mycelium.crypto.session_handshake import SessionInitiator, SessionResponder
from mycelium.errors import HandshakeError, LocalError
from mycelium.identity import Identity
from mycelium.wire.datagram import SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305
from mycelium.wire.train import SESSION_REPLY_BYTES, SESSION_REQUEST_BYTES
from tests.crypto.support import ALICE, BOB, PRIMITIVES, carries, entropy_of, flip
from tests.crypto.test_primitives import LOW_ORDER_KEYS

PSK = bytes(range(100, 132))
PROLOGUE = ALICE.address + BOB.address + bytes((0, 0, 0, 7, 3))
CAROL = Identity(bytes(range(64, 96)))
AES = SUITE_AES_256_GCM


def new_initiator(
    identity: Identity = ALICE,
    peer: bytes = BOB.signing_public_key,
    *,
    psk: bytes = NO_PSK,
    prologue: bytes = PROLOGUE,
    seed: int = 1,
) -> SessionInitiator:
    return SessionInitiator(identity, peer, psk=psk, entropy=entropy_of(seed), primitives=PRIMITIVES, prologue=prologue)


def new_responder(
    identity: Identity = BOB, *, psk: bytes = NO_PSK, prologue: bytes = PROLOGUE, seed: int = 2
) -> SessionResponder:
    return SessionResponder(identity, psk=psk, entropy=entropy_of(seed), primitives=PRIMITIVES, prologue=prologue)


@pytest.mark.parametrize("psk", [NO_PSK, PSK], ids=["open", "private"])
@pytest.mark.parametrize("suite", [SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305])
def test_both_ends_agree_on_everything(psk: bytes, suite: int) -> None:
    initiator, responder = new_initiator(psk=psk), new_responder(psk=psk)

    ours = initiator.receive_reply(responder.receive_request(initiator.request, suite=suite), suite=suite)
    theirs = responder.result

    assert (ours.peer_signing_key, ours.peer_exchange_key, ours.peer_address) == (
        BOB.signing_public_key,
        BOB.exchange_public_key,
        BOB.address,
    )
    assert (theirs.peer_signing_key, theirs.peer_exchange_key, theirs.peer_address) == (
        ALICE.signing_public_key,
        ALICE.exchange_public_key,
        ALICE.address,
    )
    assert ours.suite == theirs.suite == suite
    assert ours.handshake_hash == theirs.handshake_hash
    assert (ours.initiator, theirs.initiator) == (True, False)
    assert carries(ours.sending, theirs.opening)
    assert carries(theirs.sending, ours.opening)
    assert not carries(ours.sending, ours.opening)


def test_the_messages_have_exactly_the_sizes_of_the_wire_format() -> None:
    initiator = new_initiator()
    reply = new_responder().receive_request(initiator.request, suite=AES)

    assert [len(initiator.request), len(reply)] == [1_296, 1_152] == [SESSION_REQUEST_BYTES, SESSION_REPLY_BYTES]


def test_no_static_key_travels_in_clear() -> None:
    initiator = new_initiator()
    reply = new_responder().receive_request(initiator.request, suite=AES)

    for message in (initiator.request, reply):
        for identity in (ALICE, BOB):
            assert identity.signing_public_key not in message
            assert identity.exchange_public_key not in message


def test_a_forged_request_draws_no_reply_and_the_real_one_still_does() -> None:
    initiator, responder = new_initiator(), new_responder()

    for bit in range(0, SESSION_REQUEST_BYTES * 8, 151):
        with pytest.raises(HandshakeError):
            responder.receive_request(flip(initiator.request, bit), suite=AES)

    reply = responder.receive_request(initiator.request, suite=AES)
    assert carries(initiator.receive_reply(reply, suite=AES).sending, responder.result.opening)


def test_a_forged_reply_is_refused_and_the_real_one_still_completes() -> None:
    initiator, responder = new_initiator(), new_responder()
    reply = responder.receive_request(initiator.request, suite=AES)

    for bit in range(0, SESSION_REPLY_BYTES * 8, 151):
        with pytest.raises(HandshakeError):
            initiator.receive_reply(flip(reply, bit), suite=AES)

    assert carries(initiator.receive_reply(reply, suite=AES).sending, responder.result.opening)


@pytest.mark.parametrize("suite", [0, 3, 255, SUITE_CHACHA20_POLY1305])
def test_a_suite_changed_on_the_way_is_noticed(suite: int) -> None:
    initiator = new_initiator()
    reply = new_responder().receive_request(initiator.request, suite=AES)

    with pytest.raises(HandshakeError):
        initiator.receive_reply(reply, suite=suite)

    assert initiator.receive_reply(reply, suite=AES).suite == AES


def test_another_prologue_draws_no_reply() -> None:
    responder = new_responder(prologue=flip(PROLOGUE, 0))

    with pytest.raises(HandshakeError):
        responder.receive_request(new_initiator().request, suite=AES)


def test_only_the_addressed_node_can_read_a_request() -> None:
    with pytest.raises(HandshakeError):
        new_responder(CAROL).receive_request(new_initiator().request, suite=AES)


def test_a_different_pre_shared_key_fails_at_the_reply() -> None:
    initiator = new_initiator(psk=PSK)
    reply = new_responder(psk=NO_PSK).receive_request(initiator.request, suite=AES)

    with pytest.raises(HandshakeError, match="authenticate"):
        initiator.receive_reply(reply, suite=AES)


def test_a_reply_to_another_request_is_refused() -> None:
    reply = new_responder().receive_request(new_initiator(seed=5).request, suite=AES)

    with pytest.raises(HandshakeError):
        new_initiator(seed=6).receive_reply(reply, suite=AES)


def test_a_session_with_oneself_is_refused() -> None:
    with pytest.raises(HandshakeError, match="itself"):
        new_initiator(ALICE, ALICE.signing_public_key)


def test_messages_at_the_wrong_moment_are_refused() -> None:
    initiator, responder = new_initiator(), new_responder()
    with pytest.raises(LocalError):
        _ = responder.result
    reply = responder.receive_request(initiator.request, suite=AES)
    with pytest.raises(HandshakeError, match="complete"):
        responder.receive_request(initiator.request, suite=AES)
    initiator.receive_reply(reply, suite=AES)
    with pytest.raises(HandshakeError, match="complete"):
        initiator.receive_reply(reply, suite=AES)


@pytest.mark.parametrize("key", LOW_ORDER_KEYS, ids=bytes.hex)
def test_an_ephemeral_key_of_small_order_is_refused_by_both_ends(key: bytes) -> None:
    initiator = new_initiator()
    with pytest.raises(HandshakeError, match="X25519"):
        new_responder().receive_request(key + initiator.request[32:], suite=AES)

    reply = new_responder().receive_request(initiator.request, suite=AES)
    with pytest.raises(HandshakeError, match="X25519"):
        initiator.receive_reply(key + reply[32:], suite=AES)


@pytest.mark.parametrize("key", [b"", bytes(32), b"\xff" * 32])
def test_a_peer_key_that_is_none_is_refused(key: bytes) -> None:
    with pytest.raises(HandshakeError):
        new_initiator(peer=key)


def test_a_pre_shared_key_of_the_wrong_size_is_refused_at_once() -> None:
    with pytest.raises(LocalError):
        new_initiator(psk=b"password")
    with pytest.raises(LocalError):
        new_responder(psk=b"password")


@given(st.binary(max_size=1_400), st.integers(0, 255))
def test_any_bytes_raise_only_handshake_errors(data: bytes, suite: int) -> None:
    with pytest.raises(HandshakeError):
        new_responder().receive_request(data, suite=suite)
    with pytest.raises(HandshakeError):
        new_initiator().receive_reply(data, suite=suite)
    with pytest.raises(HandshakeError):
        new_responder().receive_request(data.ljust(SESSION_REQUEST_BYTES, b"\x09")[:SESSION_REQUEST_BYTES], suite=suite)
    with pytest.raises(HandshakeError):
        new_initiator().receive_reply(data.ljust(SESSION_REPLY_BYTES, b"\x09")[:SESSION_REPLY_BYTES], suite=suite)
