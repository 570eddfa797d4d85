"""Messages of handshakes, and what a capture opens, behind ciphers that find everything authentic.

So the fuzzer reaches what is behind a seal, as a peer with the right keys does.
"""

from collections.abc import Callable
from copy import copy
from typing import Any, Final

from mycelium.capture.dissector import Dissector
from mycelium.capture.keys import LINK, SESSION, KnownKey
from mycelium.crypto.cookies import HandshakeGate
from mycelium.crypto.handshake import HandshakeConfig
from mycelium.crypto.join_handshake import JoinInitiator, hint_in, read_request, secret_of
from mycelium.crypto.link_handshake import LinkInitiator, LinkResponder
from mycelium.crypto.primitives import Aead, Buffer, RealPrimitives
from mycelium.crypto.session_handshake import SessionInitiator, answer_request
from mycelium.identity import SEED_BYTES, Identity
from mycelium.wire.datagram import FRAME_HEAD, FRAME_WORD, SUITE_AES_256_GCM, TAG_BYTES
from mycelium.wire.frame import DATA, FRAME_HEADER
from mycelium.wire.join import JoinAnswer, encode_answer
from mycelium.wire.train import AAD_START, TRAIN_HEADER
from sim.net.null_crypto import NullPrimitives

INDEX: Final = 1
OWN: Final = Identity(bytes(SEED_BYTES))
PEER: Final = Identity(bytes((1,)) * SEED_BYTES)
TOKEN: Final = bytes(16)
_KEY: Final = bytes(32)
_CIPHER: Final = RealPrimitives().aead(SUITE_AES_256_GCM, _KEY)


class Unsealed:
    """A cipher that opens everything, and seals nothing."""

    def encrypt_into(self, nonce: Buffer, data: Buffer, associated_data: Buffer | None, buf: Any, /) -> int:
        buf[:] = bytes(data) + bytes(TAG_BYTES)
        return len(buf)

    def decrypt_into(self, nonce: Buffer, data: Buffer, associated_data: Buffer | None, buf: Any, /) -> int:
        buf[:] = bytes(data)[:-TAG_BYTES]
        return len(buf)


class OpenPrimitives(NullPrimitives):
    """Key exchanges that cost little, with that cipher."""

    def aead(self, suite: int, key: bytes) -> Aead:
        return Unsealed()


PRIMITIVES: Final = OpenPrimitives()


def config(identity: Identity) -> HandshakeConfig:
    return HandshakeConfig(identity=identity, suites=3, entropy=bytes, primitives=PRIMITIVES)


def initiator(identity: Identity = OWN) -> LinkInitiator:
    return LinkInitiator(config(identity), local_index=INDEX, pin=None, period=0)


def responder(identity: Identity = OWN) -> LinkResponder:
    return LinkResponder(config(identity), local_index=INDEX)


def session_initiator(identity: Identity = OWN, peer: Identity = PEER) -> SessionInitiator:
    return SessionInitiator(config(identity), peer.signing_public_key, local_index=INDEX, prologue=b"")


def session_reply(request: bytes, identity: Identity = OWN) -> bytes:
    return answer_request(config(identity), request, suite=1, local_index=INDEX, remote_index=2, prologue=b"")[0]


def _waiting() -> LinkResponder:
    """Returns an end that waits for message 3."""
    made = responder()
    made.receive_message_1(initiator().message_1)
    return made


def _join_request(data: bytes) -> None:
    if hint_in(data):
        read_request(OWN, secret_of(TOKEN), data, PRIMITIVES)


def join_initiator(identity: Identity = OWN, peer: Identity = PEER) -> JoinInitiator:
    return JoinInitiator(identity, None, TOKEN, pin=peer.exchange_public_key, entropy=bytes, primitives=PRIMITIVES)


def join_reply(request: bytes) -> bytes:
    read = read_request(PEER, secret_of(TOKEN), request, PRIMITIVES)
    [part] = encode_answer(JoinAnswer(0, network_name="net", name="n"))
    return read.reply(0, part, entropy=bytes, primitives=PRIMITIVES)


def _gate(data: bytes) -> None:
    gate = HandshakeGate(psk=_KEY, own_key=OWN.exchange_public_key, entropy=bytes)
    gate.admit(data, source=b"\x01\x02\x03\x04", now=0.0)


def _with_keys() -> Dissector:
    """Returns what opens frames and trains of ours."""
    dissector = Dissector()
    address = OWN.address
    dissector.learn(
        KnownKey(of, INDEX, SUITE_AES_256_GCM, _KEY, address, is_sent=is_sent)
        for of in (LINK, SESSION)
        for is_sent in (False, True)
    )
    return dissector


def _dissect(data: bytes) -> None:
    list(_with_keys().take(data, is_sent=False).lines())


def _sealed(counter: int, plain: bytes, aad: bytes) -> bytes:
    sealed = bytearray(len(plain) + TAG_BYTES)
    _CIPHER.encrypt_into(bytes(4) + counter.to_bytes(8, "big"), plain, aad, sealed)
    return bytes(sealed)


def _frame(plain: bytes) -> None:
    """Has a capture opened that holds a frame of ours, given from its kind on."""
    head = FRAME_HEAD.pack(FRAME_WORD, INDEX, 1)
    sealed = _sealed(1, plain[:1].ljust(FRAME_HEADER.size, b"\0") + plain[1:], head)
    list(_OPENING.take(head + sealed, is_sent=False).lines())


def _items(plain: bytes) -> None:
    """Has a capture opened that holds items of a train of ours."""
    head = TRAIN_HEADER.pack(64, 0, 0x10, 0, len(plain) + TAG_BYTES, INDEX, 1, OWN.address, PEER.address)
    _frame(bytes((DATA,)) + head + _sealed(1, plain, head[AAD_START:]))


_OPENING: Final = _with_keys()  # of whole frames, which leave it as it was

# Ends that wait. Each input is handed to a copy, which completes where it does and leaves the original as it was.
_DIALLING: Final = initiator()
_ANSWERING: Final = _waiting()
_ASKING: Final = session_initiator()
_JOINING: Final = join_initiator()

HANDSHAKES: Final[dict[str, Callable[[bytes], object]]] = {
    "message 1 at the gate": _gate,
    "message 1": lambda data: responder().receive_message_1(data),
    "message 2": lambda data: copy(_DIALLING).receive_message_2(data),
    "message 3": lambda data: copy(_ANSWERING).receive_message_3(data),
    "cookie": lambda data: _DIALLING.answer_cookie(data),
    "session request": session_reply,
    "session reply": lambda data: copy(_ASKING).receive_reply(data, suite=1, remote_index=2),
    "join request": _join_request,
    "join reply": lambda data: _JOINING.receive_reply(data),
    "captured datagram": _dissect,
    "captured frame": _frame,
    "captured items": _items,
}
