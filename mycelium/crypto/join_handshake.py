"""How an invited node asks a member for the secrets of its network: Noise IKpsk0 in two datagrams, laid out in `wire.join`.

    -> psk, e, es, s, ss
    <- e, ee, se

The second message is the first part of the answer. For each further one the same request is sent with the number of the part in
its head, which only the mac covers, and answered by another second message.

All keys follow from the token of the invitation, which both ends have: a hint by which the member finds it, the key of the mac
over the request, and the pre-shared key. Who does not have the token gets no answer, and before the mac agrees no public-key
operation is made. The pre-shared key, which no wire carries, protects the answer from quantum computers too. The
responder's static key in the pre-message is its X25519 key, as pins are.
"""

import hmac
from typing import Final

from msgspec import Struct

from mycelium.crypto.noise import Entropy, SymmetricState, new_ephemeral
from mycelium.crypto.primitives import EXCHANGE_BYTES, Primitives
from mycelium.errors import DecodeError, HandshakeError
from mycelium.identity import FINGERPRINT_BYTES, PUBLIC_KEY_BYTES, Identity, blake2b
from mycelium.wire.datagram import PROTOCOL_VERSION, TAG_BYTES
from mycelium.wire.join import (
    HINT_BYTES,
    JOIN_BYTES,
    JOIN_MAC_BYTES,
    JOIN_REPLY,
    JOIN_REPLY_HEAD,
    JOIN_REQUEST,
    JOIN_REQUEST_HEAD,
    JoinAnswer,
    answer_parts,
    decode_answer,
)

PROTOCOL_NAME: Final = b"Noise_IKpsk0_25519_ChaChaPoly_BLAKE2b"
PROLOGUE_LABEL: Final = b"mycelium join 1\x00"
INVITATION_LABEL: Final = b"mycelium invitation 1\x00"
HINT_LABEL: Final = b"mycelium join hint 1\x00"
MAC_LABEL: Final = b"mycelium join mac 1\x00"
PSK_LABEL: Final = b"mycelium join psk 1\x00"

TOKEN_BYTES: Final = 16
SECRET_BYTES: Final = 32

_HINT: Final = slice(JOIN_REQUEST_HEAD.size - HINT_BYTES, JOIN_REQUEST_HEAD.size)
_E_END: Final = JOIN_REQUEST_HEAD.size + EXCHANGE_BYTES
_S_END: Final = _E_END + PUBLIC_KEY_BYTES + TAG_BYTES
_MAC_AT: Final = JOIN_BYTES - JOIN_MAC_BYTES
_REPLY_E_END: Final = JOIN_REPLY_HEAD.size + EXCHANGE_BYTES
_PAYLOAD_BYTES: Final = _MAC_AT - _S_END - TAG_BYTES
_PART_AT: Final = 2  # number of the part in both heads
_FINGERPRINT: Final = slice(0, FINGERPRINT_BYTES)  # in the payload of a request


def secret_of(token: bytes) -> bytes:
    """Returns what a member keeps of a token; it serves as well, so it is kept secret."""
    return blake2b(INVITATION_LABEL + token, size=SECRET_BYTES)


def hint_of(secret: bytes) -> bytes:
    """Returns what a request names the invitation by."""
    return blake2b(HINT_LABEL, size=HINT_BYTES, key=secret)


def hint_in(request: bytes) -> bytes:
    """Returns the hint in a datagram, which may be anything; empty where it can't be a request of this version."""
    is_request = len(request) == JOIN_BYTES and (request[0], request[1]) == (JOIN_REQUEST, PROTOCOL_VERSION)
    return request[_HINT] if is_request else b""


def part_in(datagram: bytes) -> int:
    """Returns the number of the part that a request is for."""
    return datagram[_PART_AT]


class JoinInitiator:
    """Asks the member with the X25519 key `pin`: send `requests`, and feed what comes back, until there is an answer.

    `fingerprint` is that of the ML-DSA key of who asks, None if it has none.
    """

    def __init__(
        self,
        identity: Identity,
        fingerprint: bytes | None,
        token: bytes,
        *,
        pin: bytes,
        entropy: Entropy,
        primitives: Primitives,
    ) -> None:
        secret = self._secret = secret_of(token)
        self._identity = identity
        self._ephemeral = new_ephemeral(primitives, entropy)
        self._parts: dict[int, bytes] = {}
        head = JOIN_REQUEST_HEAD.pack(JOIN_REQUEST, PROTOCOL_VERSION, 0, hint_of(secret))
        state = self._state = _initial_state(head, secret, pin, primitives)
        state.mix_ephemeral(self._ephemeral.public)
        state.mix_exchange(self._ephemeral.secret, pin)
        static = state.encrypt_and_hash(identity.signing_public_key)
        state.mix_exchange(identity.exchange_secret, pin)
        payload = (fingerprint or b"").ljust(_PAYLOAD_BYTES, b"\0")
        self._unsealed = head + self._ephemeral.public + static + state.encrypt_and_hash(payload)

    def requests(self) -> list[bytes]:
        """Returns the datagrams that ask for the parts that have not come; nothing but the first tells how many there are."""
        count = answer_parts(self._parts[0]) if 0 in self._parts else 1
        return [self._request(part) for part in range(count) if part not in self._parts]

    def _request(self, part: int) -> bytes:
        unsealed = self._unsealed[:_PART_AT] + bytes((part,)) + self._unsealed[_PART_AT + 1 :]
        return unsealed + _mac(unsealed, self._secret)

    def receive_reply(self, datagram: bytes) -> JoinAnswer | None:
        """Returns the member's answer once it is whole; raises HandshakeError, and then still waits for the genuine one."""
        if len(datagram) != JOIN_BYTES or datagram[:_PART_AT] != bytes((JOIN_REPLY, PROTOCOL_VERSION)):
            raise HandshakeError("not a reply to a join request")
        state = self._state.copy()
        remote_ephemeral = datagram[JOIN_REPLY_HEAD.size : _REPLY_E_END]
        state.mix_hash(datagram[: JOIN_REPLY_HEAD.size])
        state.mix_ephemeral(remote_ephemeral)
        state.mix_exchange(self._ephemeral.secret, remote_ephemeral)
        state.mix_exchange(self._identity.exchange_secret, remote_ephemeral)
        data = state.decrypt_and_hash(datagram[_REPLY_E_END:])
        try:
            return self._take(datagram[_PART_AT], data)
        except DecodeError as error:
            raise HandshakeError(str(error)) from error

    def _take(self, part: int, data: bytes) -> JoinAnswer | None:
        if part and 0 not in self._parts:
            raise HandshakeError("a part that was not asked for")
        count = answer_parts(self._parts.get(0, data))
        if part >= count:
            raise HandshakeError("a part of an answer that has fewer")
        self._parts.setdefault(part, data)
        if len(self._parts) < count:
            return None
        return decode_answer(b"".join(self._parts[number] for number in range(count)))


class JoinRequest(Struct, frozen=True):
    """A genuine request: made by who has the token, and perhaps sent by who has recorded it."""

    state: SymmetricState
    ephemeral: bytes
    signing_key: bytes
    exchange_key: bytes
    fingerprint: bytes | None

    def reply(self, part: int, data: bytes, *, entropy: Entropy, primitives: Primitives) -> bytes:
        """Returns the datagram with a part of an answer, for nobody but the node that made the request."""
        state, ephemeral = self.state.copy(), new_ephemeral(primitives, entropy)
        head = JOIN_REPLY_HEAD.pack(JOIN_REPLY, PROTOCOL_VERSION, part)
        state.mix_hash(head)
        state.mix_ephemeral(ephemeral.public)
        state.mix_exchange(ephemeral.secret, self.ephemeral)
        state.mix_exchange(ephemeral.secret, self.exchange_key)
        return head + ephemeral.public + state.encrypt_and_hash(data)


def has_mac(request: bytes, secret: bytes) -> bool:
    """Tells whether whoever made a request, of the right length, has the token."""
    return hmac.compare_digest(request[_MAC_AT:], _mac(request[:_MAC_AT], secret))


def read_request(identity: Identity, secret: bytes, datagram: bytes, primitives: Primitives) -> JoinRequest:
    """Opens a request for the first part that has the mac; raises HandshakeError."""
    ephemeral = datagram[JOIN_REQUEST_HEAD.size : _E_END]
    state = _initial_state(datagram[: JOIN_REQUEST_HEAD.size], secret, identity.exchange_public_key, primitives)
    state.mix_ephemeral(ephemeral)
    state.mix_exchange(identity.exchange_secret, ephemeral)
    peer = state.read_static(datagram[_E_END:_S_END], identity)
    state.mix_exchange(identity.exchange_secret, peer.exchange_key)
    fingerprint = state.decrypt_and_hash(datagram[_S_END:_MAC_AT])[_FINGERPRINT]
    return JoinRequest(state, ephemeral, peer.signing_key, peer.exchange_key, fingerprint if any(fingerprint) else None)


def _initial_state(head: bytes, secret: bytes, responder: bytes, primitives: Primitives) -> SymmetricState:
    state = SymmetricState(PROTOCOL_NAME, PROLOGUE_LABEL + head, primitives)
    state.mix_hash(responder)  # the pattern's pre-message
    state.mix_key_and_hash(blake2b(PSK_LABEL, size=SECRET_BYTES, key=secret))
    return state


def _mac(data: bytes, secret: bytes) -> bytes:
    return blake2b(data, size=JOIN_MAC_BYTES, key=blake2b(MAC_LABEL, size=SECRET_BYTES, key=secret))
