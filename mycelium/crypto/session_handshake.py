"""How two nodes agree on end-to-end keys: Noise IKhfs+psk2 in two messages, carried as the bodies of trains.

    -> e, es, e1, s, ss        1,296 bytes
    <- e, ee, ekem1, se, psk   1,152 bytes

The caller's prologue binds what the trains' headers say of the handshake: both addresses, the initiator's index and the suites
it offers. The suite that the responder chose is mixed into the hash before anything else in message 2, so a relay that changes
it only makes the handshake fail.
"""

from typing import Final

from msgspec import Struct

from mycelium.crypto.keys import OpeningKey, SealingKey
from mycelium.crypto.noise import (
    Entropy,
    PeerKeys,
    SymmetricState,
    new_ephemeral,
    new_kem_ephemeral,
    peer_keys,
    require_psk,
)
from mycelium.crypto.primitives import EXCHANGE_BYTES, KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_BYTES, Primitives
from mycelium.errors import HandshakeError, LocalError
from mycelium.identity import PUBLIC_KEY_BYTES, Identity, address_of_exchange_key
from mycelium.wire.datagram import TAG_BYTES
from mycelium.wire.train import SESSION_REPLY_BYTES, SESSION_REQUEST_BYTES

PROTOCOL_NAME: Final = b"Noise_IKhfs+psk2_25519+MLKEM768_ChaChaPoly_BLAKE2b"
PROLOGUE_LABEL: Final = b"mycelium session 1\x00"

_E1_END: Final = EXCHANGE_BYTES + KEM_PUBLIC_BYTES + TAG_BYTES  # request: where `e1` ends and `s` begins
_S_END: Final = _E1_END + PUBLIC_KEY_BYTES + TAG_BYTES
_KEM_END: Final = EXCHANGE_BYTES + KEM_CIPHERTEXT_BYTES + TAG_BYTES  # reply: where `ekem1` ends and the last tag begins


class SessionKeys(Struct, frozen=True, kw_only=True):
    """What a finished handshake leaves: who the other end is, and a key for each direction."""

    peer_signing_key: bytes
    peer_exchange_key: bytes
    peer_address: bytes
    suite: int
    sending: SealingKey
    opening: OpeningKey
    handshake_hash: bytes  # the same at both ends, and for no other handshake
    initiator: bool


class SessionInitiator:
    """Asks the node with a known Ed25519 key for a session: send `request`, feed the reply.

    Raises HandshakeError for a key that is none or our own.
    """

    def __init__(
        self,
        identity: Identity,
        responder_signing_key: bytes,
        *,
        psk: bytes,
        entropy: Entropy,
        primitives: Primitives,
        prologue: bytes,
    ) -> None:
        require_psk(psk)
        self._peer = peer_keys(responder_signing_key)
        if self._peer.exchange_key == identity.exchange_public_key:
            raise HandshakeError("the peer is this node itself")
        self._identity = identity
        self._psk = psk
        self._primitives = primitives
        self._ephemeral = new_ephemeral(primitives, entropy)
        self._kem = new_kem_ephemeral(primitives, entropy)
        self._state = _initial_state(prologue, responder_signing_key, primitives)
        self._is_complete = False
        self.request = self._write_request()

    def receive_reply(self, reply: bytes, *, suite: int) -> SessionKeys:
        """Returns the keys, for the suite that the responder says it chose; raises HandshakeError.

        After an error it still waits for the real reply; after success every further one is an error.
        """
        if self._is_complete:
            raise HandshakeError("the handshake is complete")
        if len(reply) != SESSION_REPLY_BYTES:
            raise HandshakeError(f"session reply of {len(reply)} bytes")
        state = self._state.copy()
        remote_ephemeral = reply[:EXCHANGE_BYTES]
        state.mix_hash(bytes((suite,)))
        state.mix_ephemeral(remote_ephemeral)
        state.mix_exchange(self._ephemeral.secret, remote_ephemeral)
        state.read_encapsulation(reply[EXCHANGE_BYTES:_KEM_END], self._kem.private)
        state.mix_exchange(self._identity.exchange_secret, remote_ephemeral)
        state.mix_key_and_hash(self._psk)
        state.decrypt_and_hash(reply[_KEM_END:])
        keys = _session_keys(state, self._peer, self._primitives, suite=suite, initiator=True)
        self._is_complete = True
        return keys

    def _write_request(self) -> bytes:
        state = self._state
        state.mix_ephemeral(self._ephemeral.public)
        state.mix_exchange(self._ephemeral.secret, self._peer.exchange_key)
        kem_public = state.encrypt_and_hash(self._kem.public)
        static = state.encrypt_and_hash(self._identity.signing_public_key)
        state.mix_exchange(self._identity.exchange_secret, self._peer.exchange_key)
        return self._ephemeral.public + kem_public + static + state.encrypt_and_hash(b"")


class SessionResponder:
    """Answers one session request. `result` is there at once, but a request may be a recording: what the keys open first
    shows that the other end is live. The caller compares `result.peer_address` with the train's source.
    """

    def __init__(
        self, identity: Identity, *, psk: bytes, entropy: Entropy, primitives: Primitives, prologue: bytes
    ) -> None:
        require_psk(psk)
        self._identity = identity
        self._psk = psk
        self._entropy = entropy
        self._primitives = primitives
        self._prologue = prologue
        self._result: SessionKeys | None = None

    @property
    def result(self) -> SessionKeys:
        """The keys, once a request has been answered; LocalError before."""
        if self._result is None:
            raise LocalError("the handshake is not complete")
        return self._result

    def receive_request(self, request: bytes, *, suite: int) -> bytes:
        """Returns the reply, having chosen `suite`; raises HandshakeError."""
        if self._result is not None:
            raise HandshakeError("the handshake is complete")
        if len(request) != SESSION_REQUEST_BYTES:
            raise HandshakeError(f"session request of {len(request)} bytes")
        state = _initial_state(self._prologue, self._identity.signing_public_key, self._primitives)
        kem_public, peer = self._read_request(state, request)
        reply = self._write_reply(state, request[:EXCHANGE_BYTES], kem_public, peer, suite)
        self._result = _session_keys(state, peer, self._primitives, suite=suite, initiator=False)
        return reply

    def _read_request(self, state: SymmetricState, request: bytes) -> tuple[bytes, PeerKeys]:
        remote_ephemeral = request[:EXCHANGE_BYTES]
        state.mix_ephemeral(remote_ephemeral)
        state.mix_exchange(self._identity.exchange_secret, remote_ephemeral)
        kem_public = state.decrypt_and_hash(request[EXCHANGE_BYTES:_E1_END])
        peer = state.read_static(request[_E1_END:_S_END], self._identity)
        state.mix_exchange(self._identity.exchange_secret, peer.exchange_key)
        state.decrypt_and_hash(request[_S_END:])
        return kem_public, peer

    def _write_reply(
        self, state: SymmetricState, remote_ephemeral: bytes, kem_public: bytes, peer: PeerKeys, suite: int
    ) -> bytes:
        ephemeral = new_ephemeral(self._primitives, self._entropy)
        state.mix_hash(bytes((suite,)))
        state.mix_ephemeral(ephemeral.public)
        state.mix_exchange(ephemeral.secret, remote_ephemeral)
        encapsulation = state.write_encapsulation(kem_public)
        state.mix_exchange(ephemeral.secret, peer.exchange_key)
        state.mix_key_and_hash(self._psk)
        return ephemeral.public + encapsulation + state.encrypt_and_hash(b"")


def _initial_state(prologue: bytes, responder_signing_key: bytes, primitives: Primitives) -> SymmetricState:
    state = SymmetricState(PROTOCOL_NAME, PROLOGUE_LABEL + prologue, primitives)
    state.mix_hash(responder_signing_key)  # the pattern's pre-message
    return state


def _session_keys(
    state: SymmetricState, peer: PeerKeys, primitives: Primitives, *, suite: int, initiator: bool
) -> SessionKeys:
    of_initiator, of_responder = (primitives.aead(suite, key) for key in state.split())
    return SessionKeys(
        peer_signing_key=peer.signing_key,
        peer_exchange_key=peer.exchange_key,
        peer_address=address_of_exchange_key(peer.exchange_key),
        suite=suite,
        sending=SealingKey(of_initiator if initiator else of_responder),
        opening=OpeningKey(of_responder if initiator else of_initiator),
        handshake_hash=state.handshake_hash,
        initiator=initiator,
    )
