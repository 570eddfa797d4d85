"""The link handshake in memory: what completes, what is refused, and that a forgery never ends a handshake."""

import contextlib
import random
from collections.abc import Iterable

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from mycelium.crypto.cookies import MAC_BYTES, HandshakeGate
from mycelium.crypto.handshake import NO_PSK, AgreedKeys
from mycelium.crypto.link_handshake import LinkInitiator, LinkResponder
from mycelium.errors import HandshakeError
from mycelium.wire.datagram import (
    COOKIE_BYTES,
    HANDSHAKE_1_BYTES,
    HANDSHAKE_2_BYTES,
    HANDSHAKE_3_BYTES,
    SUITE_AES_256_GCM,
    SUITE_CHACHA20_POLY1305,
)
from tests.crypto.support import (
    ALICE,
    BOB,
    BOTH_SUITES,
    carries,
    entropy_of,
    flip,
    link_initiator,
    link_responder,
)
from tests.crypto.test_primitives import LOW_ORDER_KEYS

PSK = bytes(range(100, 132))


def complete(initiator: LinkInitiator, responder: LinkResponder) -> tuple[AgreedKeys, AgreedKeys]:
    """Returns the keys of the initiator and of the responder."""
    message_2 = responder.receive_message_1(initiator.message_1)
    message_3, ours = initiator.receive_message_2(message_2)
    return ours, responder.receive_message_3(message_3)


def suite_of(keys: AgreedKeys) -> int:
    return SUITE_AES_256_GCM if isinstance(keys.sealing.cipher, AESGCM) else SUITE_CHACHA20_POLY1305


def every_nth_bit(size: int, step: int) -> Iterable[int]:
    """Bits all over a message: the whole head, and then one in `step`, at every place in a byte."""
    return [*range(12 * 8), *range(12 * 8, size * 8, step)]


@pytest.mark.parametrize("psk", [NO_PSK, PSK], ids=["open", "private"])
def test_both_ends_agree_on_everything(psk: bytes) -> None:
    initiator = link_initiator(psk=psk, pin=BOB.exchange_public_key)
    responder = link_responder(psk=psk)

    ours, theirs = complete(initiator, responder)

    assert (ours.peer_exchange_key, ours.peer_address) == (BOB.exchange_public_key, BOB.address)
    assert (theirs.peer_exchange_key, theirs.peer_address) == (ALICE.exchange_public_key, ALICE.address)
    assert (
        (ours.local_index, ours.remote_index) == (theirs.remote_index, theirs.local_index) == (0x11111111, 0x22222222)
    )
    assert (ours.is_initiator, theirs.is_initiator) == (True, False)


@pytest.mark.parametrize(
    ("offered", "own", "chosen"),
    [
        (BOTH_SUITES, BOTH_SUITES, SUITE_AES_256_GCM),
        (BOTH_SUITES, SUITE_CHACHA20_POLY1305, SUITE_CHACHA20_POLY1305),
        (SUITE_CHACHA20_POLY1305, BOTH_SUITES, SUITE_CHACHA20_POLY1305),
        (SUITE_AES_256_GCM, BOTH_SUITES, SUITE_AES_256_GCM),
        (0xFC | BOTH_SUITES, BOTH_SUITES, SUITE_AES_256_GCM),
    ],
)
def test_the_keys_carry_both_ways_under_the_suite_that_both_have(offered: int, own: int, chosen: int) -> None:
    initiator, responder = link_initiator(suites=offered), link_responder(suites=own)

    ours, theirs = complete(initiator, responder)

    assert suite_of(ours) == suite_of(theirs) == chosen
    assert carries(ours.sealing, theirs.opening)
    assert carries(theirs.sealing, ours.opening)
    assert not carries(ours.sealing, ours.opening)


@pytest.mark.parametrize(("offered", "own"), [(1, 2), (2, 1), (0, 3), (0xFC, 3)])
def test_without_a_common_suite_there_is_no_answer(offered: int, own: int) -> None:
    with pytest.raises(HandshakeError, match="suite"):
        link_responder(suites=own).receive_message_1(link_initiator(suites=offered).message_1)


def test_the_messages_have_exactly_the_sizes_of_the_wire_format() -> None:
    initiator, responder = link_initiator(), link_responder()
    message_1 = initiator.message_1
    message_2 = responder.receive_message_1(message_1)
    message_3, _ = initiator.receive_message_2(message_2)

    assert [len(message_1), len(message_2), len(message_3)] == [1_232, 1_228, 88]
    assert [HANDSHAKE_1_BYTES, HANDSHAKE_2_BYTES, HANDSHAKE_3_BYTES] == [1_232, 1_228, 88]


def test_no_static_key_travels_in_clear() -> None:
    initiator, responder = link_initiator(), link_responder()
    message_1 = initiator.message_1
    message_2 = responder.receive_message_1(message_1)
    message_3, _ = initiator.receive_message_2(message_2)

    for message in (message_1, message_2, message_3):
        for identity in (ALICE, BOB):
            assert identity.signing_public_key not in message
            assert identity.exchange_public_key not in message


def test_two_handshakes_of_the_same_nodes_share_no_key() -> None:
    first = link_initiator(seed=1), link_responder(seed=2)
    second = link_initiator(seed=3), link_responder(seed=4)

    assert not carries(complete(*first)[0].sealing, complete(*second)[1].opening)


def test_a_message_1_with_a_flipped_bit_gets_nowhere() -> None:
    initiator = link_initiator()
    message_1 = initiator.message_1

    for bit in every_nth_bit(HANDSHAKE_1_BYTES - MAC_BYTES, 151):
        gate = HandshakeGate(psk=NO_PSK, own_key=BOB.exchange_public_key, entropy=entropy_of(9))
        assert not gate.admit(flip(message_1, bit), source="192.0.2.1", now=0.0).accepted


def test_a_message_1_changed_under_a_new_mac_fails_at_message_2() -> None:
    # Whoever knows the network's key can make the mac; the initiator still notices.
    message_1 = link_initiator().message_1

    for bit in every_nth_bit(HANDSHAKE_1_BYTES, 251):
        if bit >= (HANDSHAKE_1_BYTES - 2 * MAC_BYTES) * 8:
            continue
        try:
            message_2 = link_responder().receive_message_1(flip(message_1, bit))
        except HandshakeError:
            continue
        with pytest.raises(HandshakeError):
            link_initiator().receive_message_2(message_2)


def test_a_forged_message_2_is_refused_and_the_real_one_still_completes() -> None:
    initiator, responder = link_initiator(), link_responder()
    message_2 = responder.receive_message_1(initiator.message_1)

    for bit in every_nth_bit(HANDSHAKE_2_BYTES, 151):
        with pytest.raises(HandshakeError):
            initiator.receive_message_2(flip(message_2, bit))

    message_3, ours = initiator.receive_message_2(message_2)
    assert carries(ours.sealing, responder.receive_message_3(message_3).opening)


def test_a_forged_message_3_is_refused_and_the_real_one_still_completes() -> None:
    initiator, responder = link_initiator(), link_responder()
    message_3, ours = initiator.receive_message_2(responder.receive_message_1(initiator.message_1))

    for bit in range(HANDSHAKE_3_BYTES * 8):
        with pytest.raises(HandshakeError):
            responder.receive_message_3(flip(message_3, bit))

    assert carries(ours.sealing, responder.receive_message_3(message_3).opening)


def test_a_different_pre_shared_key_fails_at_message_2() -> None:
    initiator, responder = link_initiator(psk=PSK), link_responder(psk=NO_PSK)
    message_2 = responder.receive_message_1(initiator.message_1)

    with pytest.raises(HandshakeError, match="authenticate"):
        initiator.receive_message_2(message_2)


def test_a_neighbour_without_the_pinned_key_gets_no_message_3() -> None:
    initiator, responder = link_initiator(pin=ALICE.exchange_public_key), link_responder()
    message_2 = responder.receive_message_1(initiator.message_1)

    with pytest.raises(HandshakeError, match="pinned"):
        initiator.receive_message_2(message_2)


def test_a_node_that_reaches_itself_notices_at_message_2() -> None:
    initiator, responder = link_initiator(ALICE), link_responder(ALICE)
    message_2 = responder.receive_message_1(initiator.message_1)

    with pytest.raises(HandshakeError, match="itself"):
        initiator.receive_message_2(message_2)


def test_message_2_again_yields_no_second_set_of_the_same_keys() -> None:
    initiator, responder = link_initiator(), link_responder()
    message_2 = responder.receive_message_1(initiator.message_1)
    initiator.receive_message_2(message_2)

    with pytest.raises(HandshakeError, match="complete"):
        initiator.receive_message_2(message_2)


def test_a_second_responder_cannot_take_over_a_complete_handshake() -> None:
    initiator = link_initiator()
    message_1 = initiator.message_1
    initiator.receive_message_2(link_responder(seed=2).receive_message_1(message_1))

    with pytest.raises(HandshakeError, match="complete"):
        initiator.receive_message_2(link_responder(seed=3).receive_message_1(message_1))


def test_messages_at_the_wrong_moment_are_refused() -> None:
    initiator, responder = link_initiator(), link_responder()
    message_1 = initiator.message_1
    with pytest.raises(HandshakeError):
        responder.receive_message_3(bytes(HANDSHAKE_3_BYTES))
    message_2 = responder.receive_message_1(message_1)
    with pytest.raises(HandshakeError):
        responder.receive_message_1(message_1)
    message_3, _ = initiator.receive_message_2(message_2)
    responder.receive_message_3(message_3)
    with pytest.raises(HandshakeError):
        responder.receive_message_3(message_3)


def test_a_message_2_for_another_handshake_is_refused() -> None:
    other = link_responder().receive_message_1(link_initiator(seed=7).message_1)

    with pytest.raises(HandshakeError):
        link_initiator(seed=8).receive_message_2(other)


def test_what_is_not_addressed_to_a_handshake_is_refused_before_any_work() -> None:
    initiator, responder = link_initiator(), link_responder()
    message_1 = initiator.message_1
    with pytest.raises(HandshakeError, match="not a message 1"):
        responder.receive_message_1(flip(message_1, 0))
    message_2 = responder.receive_message_1(message_1)
    message_3, _ = initiator.receive_message_2(message_2)

    for bit in (0, 8, 8 * 8, 12 * 8 - 1):  # type, version, receiver
        with pytest.raises(HandshakeError, match="not an answer"):
            link_initiator().receive_message_2(flip(message_2, bit))
    for bit in (0, 4 * 8, 8 * 8 - 1):
        with pytest.raises(HandshakeError, match="not an answer"):
            responder.receive_message_3(flip(message_3, bit))


@pytest.mark.parametrize("suite", [0, 3, 4, SUITE_AES_256_GCM])
def test_a_suite_that_was_not_offered_is_refused(suite: int) -> None:
    initiator, responder = link_initiator(suites=SUITE_CHACHA20_POLY1305), link_responder()
    message_2 = bytearray(responder.receive_message_1(initiator.message_1))
    message_2[2] = suite

    with pytest.raises(HandshakeError, match="suite"):
        initiator.receive_message_2(bytes(message_2))


@pytest.mark.parametrize("key", LOW_ORDER_KEYS, ids=bytes.hex)
def test_an_ephemeral_key_of_small_order_is_refused_by_both_ends(key: bytes) -> None:
    message_1 = link_initiator().message_1
    with pytest.raises(HandshakeError, match="X25519"):
        link_responder().receive_message_1(message_1[:8] + key + message_1[40:])

    message_2 = link_responder().receive_message_1(message_1)
    with pytest.raises(HandshakeError, match="X25519"):
        link_initiator().receive_message_2(message_2[:12] + key + message_2[44:])


def test_a_bad_kem_key_is_refused() -> None:
    message_1 = link_initiator().message_1

    with pytest.raises(HandshakeError, match="ML-KEM"):
        link_responder().receive_message_1(message_1[:40] + b"\xff" * 1184 + message_1[-8:])


_SIZES = (HANDSHAKE_1_BYTES, HANDSHAKE_2_BYTES, HANDSHAKE_3_BYTES, COOKIE_BYTES)


@given(
    st.binary(max_size=100), st.sampled_from(_SIZES), st.sampled_from([b"", b"\x10\x01\x03", b"\x11", b"\x12", b"\x13"])
)
def test_any_bytes_raise_only_handshake_errors(body: bytes, size: int, start: bytes) -> None:
    initiator, responder, waiting = link_initiator(), link_responder(), link_responder()
    waiting.receive_message_1(initiator.message_1)

    for data in (body, (start + body).ljust(size, b"\x09")[:size]):
        for receive in (initiator.receive_message_2, initiator.answer_cookie, waiting.receive_message_3):
            with pytest.raises(HandshakeError):
                receive(data)
        with contextlib.suppress(HandshakeError):  # whoever passed the gate may well send random keys
            responder.receive_message_1(data)


@given(st.sampled_from([1, 2, 3]), st.randoms(use_true_random=False), st.integers(1, 40))
def test_damaged_messages_raise_only_handshake_errors(number: int, rng: random.Random, changes: int) -> None:
    initiator, responder = link_initiator(), link_responder()
    message_1 = initiator.message_1
    message_2 = responder.receive_message_1(message_1)
    message_3, _ = link_initiator().receive_message_2(message_2)
    damaged = bytearray((message_1, message_2, message_3)[number - 1])
    for _ in range(changes):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)

    if number == 1:
        try:
            link_responder().receive_message_1(bytes(damaged))
        except HandshakeError:
            return
    elif damaged != message_2 and damaged != message_3:
        with pytest.raises(HandshakeError):
            initiator.receive_message_2(bytes(damaged)) if number == 2 else responder.receive_message_3(bytes(damaged))


@pytest.mark.parametrize("psk", [NO_PSK, PSK], ids=["open", "private"])
def test_a_network_of_another_name_gets_no_message_3(psk: bytes) -> None:
    initiator = link_initiator(psk=psk, network_id=b"network1")
    message_2 = link_responder(psk=psk).receive_message_1(initiator.message_1)
    with pytest.raises(HandshakeError, match="authenticate"):
        initiator.receive_message_2(message_2)
