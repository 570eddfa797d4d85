"""Joining by a token: who has it is answered, nobody else, and nobody else can read the answer."""

import pytest

from mycelium.crypto.join_handshake import (
    JoinInitiator,
    JoinRequest,
    has_mac,
    hint_in,
    hint_of,
    part_in,
    read_request,
    secret_of,
)
from mycelium.errors import HandshakeError
from mycelium.identity import Identity
from mycelium.wire.join import JOIN_BYTES, JOIN_NAME_BYTES, JoinAnswer, encode_answer
from tests.crypto.support import ALICE, BOB, PRIMITIVES, entropy_of, flip

TOKEN = bytes(range(16))
SECRET = secret_of(TOKEN)
FINGERPRINT = b"f" * 16
ANSWER = JoinAnswer(0, b"k" * 32, "corp", "laptop")


def initiator(
    *, token: bytes = TOKEN, pin: bytes = BOB.exchange_public_key, identity: Identity = ALICE
) -> JoinInitiator:
    return JoinInitiator(identity, FINGERPRINT, token, pin=pin, entropy=entropy_of(1), primitives=PRIMITIVES)


def first(asking: JoinInitiator) -> bytes:
    """Returns the only request of a node that knows nothing of the answer yet."""
    [request] = asking.requests()
    return request


def read(datagram: bytes, *, identity: Identity = BOB) -> JoinRequest:
    return read_request(identity, SECRET, datagram, PRIMITIVES)


def reply_to(request: JoinRequest, answer: JoinAnswer = ANSWER, part: int = 0) -> bytes:
    return request.reply(part, encode_answer(answer)[part], entropy=entropy_of(2 + part), primitives=PRIMITIVES)


def test_whoever_has_the_token_is_let_in_and_known_by_its_key() -> None:
    asking = initiator()
    assert hint_in(first(asking)) == hint_of(SECRET)
    assert has_mac(first(asking), SECRET)
    request = read(first(asking))
    assert request.fingerprint == FINGERPRINT
    assert request.exchange_key == ALICE.exchange_public_key
    assert request.signing_key == ALICE.signing_public_key
    reply = reply_to(request)
    assert len(reply) == len(first(asking)) == JOIN_BYTES
    assert b"k" * 8 not in reply
    assert asking.receive_reply(reply) == ANSWER


def test_another_token_has_another_hint_and_no_valid_mac() -> None:
    request = first(initiator(token=bytes(16)))
    assert hint_in(request) != hint_of(SECRET)
    assert not has_mac(request, SECRET)


def test_a_member_with_another_key_cannot_open_it() -> None:
    request = first(initiator())
    with pytest.raises(HandshakeError):
        read(request, identity=Identity(b"c" * 32))


def test_no_bit_of_a_request_can_be_changed() -> None:
    request = first(initiator())
    for bit in range(0, 8 * JOIN_BYTES, 7):
        changed = flip(request, bit)
        assert hint_in(changed) != hint_of(SECRET) or not has_mac(changed, SECRET)


def test_a_forged_reply_ends_nothing() -> None:
    asking = initiator()
    reply = reply_to(read(first(asking)))
    for bit in (0, 8, 16, 40, 300, 8 * JOIN_BYTES - 1):
        with pytest.raises(HandshakeError):
            asking.receive_reply(flip(reply, bit))
    with pytest.raises(HandshakeError):
        asking.receive_reply(reply[:-1])
    assert asking.receive_reply(reply) == ANSWER


def test_a_recorded_reply_is_of_no_use_to_another_node() -> None:
    reply = reply_to(read(first(initiator())))
    with pytest.raises(HandshakeError):
        initiator(identity=Identity(b"c" * 32)).receive_reply(reply)


@pytest.mark.parametrize("datagram", [b"", b"\x1a\x01", bytes(JOIN_BYTES), b"\x1a\x02".ljust(JOIN_BYTES, b"x")])
def test_what_is_no_request_has_no_hint(datagram: bytes) -> None:
    assert hint_in(datagram) == b""


def test_an_answer_of_the_member_that_makes_no_sense_is_an_error_of_the_handshake() -> None:
    asking = initiator()
    request = read(first(asking))
    answer = JoinAnswer(0, b"k" * 32, "n" * (JOIN_NAME_BYTES + 1))
    with pytest.raises(HandshakeError, match="too long"):
        asking.receive_reply(reply_to(request, answer))
    assert len(asking.requests()) == 1


LONG = JoinAnswer(0, b"k" * 32, "corp", "laptop", bytes(range(250)) * 5)


def test_a_long_answer_is_asked_for_part_by_part_and_put_together_in_any_order() -> None:
    asking = initiator()
    request = read(first(asking))
    assert asking.receive_reply(reply_to(request, LONG)) is None
    further = asking.requests()
    assert [part_in(one) for one in further] == [1, 2]
    assert all(len(one) == JOIN_BYTES and has_mac(one, SECRET) for one in further)
    assert asking.receive_reply(reply_to(request, LONG, 2)) is None
    assert [part_in(one) for one in asking.requests()] == [1]
    assert asking.receive_reply(reply_to(request, LONG, 2)) is None
    assert asking.receive_reply(reply_to(request, LONG, 1)) == LONG


def test_the_number_of_a_part_can_not_be_changed_under_way() -> None:
    asking = initiator()
    request = read(first(asking))
    asking.receive_reply(reply_to(request, LONG))
    further = asking.requests()[0]
    assert not has_mac(further[:2] + b"\2" + further[3:], SECRET)
    reply = reply_to(request, LONG, 1)
    with pytest.raises(HandshakeError):
        asking.receive_reply(reply[:2] + b"\2" + reply[3:])


@pytest.mark.parametrize("part", [1, 3])
def test_a_part_that_nobody_asked_for_is_refused(part: int) -> None:
    asking = initiator()
    request = read(first(asking))
    if part == 3:
        asking.receive_reply(reply_to(request, LONG))
    late = request.reply(part, encode_answer(LONG)[0], entropy=entropy_of(5), primitives=PRIMITIVES)
    with pytest.raises(HandshakeError, match="part"):
        asking.receive_reply(late)


def test_a_node_without_an_mldsa_key_names_no_fingerprint() -> None:
    pin = BOB.exchange_public_key
    asking = JoinInitiator(ALICE, None, TOKEN, pin=pin, entropy=entropy_of(1), primitives=PRIMITIVES)
    assert read(first(asking)).fingerprint is None
