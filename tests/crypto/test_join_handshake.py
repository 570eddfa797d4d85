"""Joining by a token: who has it is answered, nobody else, and nobody else can read the answer."""

import pytest

from mycelium.crypto.join_handshake import (
    JoinInitiator,
    JoinRequest,
    has_mac,
    hint_in,
    hint_of,
    read_request,
    secret_of,
)
from mycelium.errors import HandshakeError
from mycelium.identity import Identity
from mycelium.wire.join import JOIN_BYTES, JOIN_NAME_BYTES, JoinAnswer
from tests.crypto.support import ALICE, BOB, PRIMITIVES, entropy_of, flip

TOKEN = bytes(range(16))
SECRET = secret_of(TOKEN)
ANSWER = JoinAnswer(0, b"k" * 32, "corp", "laptop")


def initiator(
    *, token: bytes = TOKEN, pin: bytes = BOB.exchange_public_key, identity: Identity = ALICE
) -> JoinInitiator:
    return JoinInitiator(identity, token, pin=pin, entropy=entropy_of(1), primitives=PRIMITIVES)


def read(datagram: bytes, *, identity: Identity = BOB) -> JoinRequest:
    return read_request(identity, SECRET, datagram, PRIMITIVES)


def reply_to(request: JoinRequest) -> bytes:
    return request.reply(ANSWER, entropy=entropy_of(2), primitives=PRIMITIVES)


def test_whoever_has_the_token_is_let_in_and_known_by_its_key() -> None:
    asking = initiator()
    assert hint_in(asking.request) == hint_of(SECRET)
    assert has_mac(asking.request, SECRET)
    request = read(asking.request)
    assert request.exchange_key == ALICE.exchange_public_key
    assert request.signing_key == ALICE.signing_public_key
    reply = reply_to(request)
    assert len(reply) == len(asking.request) == JOIN_BYTES
    assert b"k" * 8 not in reply
    assert asking.receive_reply(reply) == ANSWER


def test_another_token_has_another_hint_and_no_valid_mac() -> None:
    request = initiator(token=bytes(16)).request
    assert hint_in(request) != hint_of(SECRET)
    assert not has_mac(request, SECRET)


def test_a_member_with_another_key_cannot_open_it() -> None:
    request = initiator().request
    with pytest.raises(HandshakeError):
        read(request, identity=Identity(b"c" * 32))


def test_no_bit_of_a_request_can_be_changed() -> None:
    request = initiator().request
    for bit in range(0, 8 * JOIN_BYTES, 7):
        changed = flip(request, bit)
        assert hint_in(changed) != hint_of(SECRET) or not has_mac(changed, SECRET)


def test_a_forged_reply_ends_nothing() -> None:
    asking = initiator()
    reply = reply_to(read(asking.request))
    for bit in (0, 8, 16, 40, 300, 8 * JOIN_BYTES - 1):
        with pytest.raises(HandshakeError):
            asking.receive_reply(flip(reply, bit))
    with pytest.raises(HandshakeError):
        asking.receive_reply(reply[:-1])
    assert asking.receive_reply(reply) == ANSWER


def test_a_recorded_reply_is_of_no_use_to_another_node() -> None:
    reply = reply_to(read(initiator().request))
    with pytest.raises(HandshakeError):
        initiator(identity=Identity(b"c" * 32)).receive_reply(reply)


@pytest.mark.parametrize("datagram", [b"", b"\x1a\x01", bytes(JOIN_BYTES), b"\x1a\x02".ljust(JOIN_BYTES, b"x")])
def test_what_is_no_request_has_no_hint(datagram: bytes) -> None:
    assert hint_in(datagram) == b""


def test_an_answer_of_the_member_that_makes_no_sense_is_an_error_of_the_handshake() -> None:
    asking = initiator()
    request = read(asking.request)
    answer = JoinAnswer(0, b"k" * 32, "n" * (JOIN_NAME_BYTES + 1))
    with pytest.raises(HandshakeError, match="too long"):
        asking.receive_reply(request.reply(answer, entropy=entropy_of(2), primitives=PRIMITIVES))
