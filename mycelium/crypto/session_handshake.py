"""How two nodes agree on end-to-end keys: Noise IKhfs+psk2 in two messages, carried as the bodies of trains.

    -> e, es, e1, s, ss        1,296 bytes
    <- e, ee, ekem1, se, psk   1,152 bytes

The prologue binds the network id and what the headers of the trains say of the handshake: both addresses, the initiator's
index and the suites it offers. The suite that the responder chose and its index are mixed into the hash before the rest of
message 2, so the handshake fails if a relay changes them.
"""

from typing import Final

from mycelium.crypto.handshake import AgreedKeys, HandshakeConfig, agreed_keys, require_offered
from mycelium.crypto.noise import PeerKeys, SymmetricState, new_ephemeral, new_kem_ephemeral, peer_keys
from mycelium.crypto.primitives import EXCHANGE_BYTES, KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_BYTES
from mycelium.errors import HandshakeError
from mycelium.identity import PUBLIC_KEY_BYTES
from mycelium.wire.datagram import TAG_BYTES
from mycelium.wire.train import SESSION_REPLY_BYTES, SESSION_REQUEST_BYTES

PROTOCOL_NAME: Final = b"Noise_IKhfs+psk2_25519+MLKEM768_ChaChaPoly_BLAKE2b"
PROLOGUE_LABEL: Final = b"mycelium session 1\x00"

_E1_END: Final = EXCHANGE_BYTES + KEM_PUBLIC_BYTES + TAG_BYTES  # request: where `e1` ends and `s` begins
_S_END: Final = _E1_END + PUBLIC_KEY_BYTES + TAG_BYTES
_KEM_END: Final = EXCHANGE_BYTES + KEM_CIPHERTEXT_BYTES + TAG_BYTES  # reply: where `ekem1` ends and the last tag begins


def prologue(initiator: bytes, responder: bytes, *, initiator_index: int, offered: int) -> bytes:
    """Returns what both ends must agree on beforehand: two addresses of 16 bytes, the initiator's index, and its suites."""
    return initiator + responder + initiator_index.to_bytes(4, "big") + bytes((offered,))


def _choice(suite: int, responder_index: int) -> bytes:
    """Returns what the header of the reply's train says of the handshake."""
    return bytes((suite,)) + responder_index.to_bytes(4, "big")


class SessionInitiator:
    """Asks the node with a known Ed25519 key for a session: send `request`, feed the reply.

    Raises HandshakeError for an invalid key and for our own.
    """

    def __init__(
        self, config: HandshakeConfig, responder_signing_key: bytes, *, local_index: int, prologue: bytes
    ) -> None:
        self._peer = peer_keys(responder_signing_key)
        if self._peer.exchange_key == config.identity.exchange_public_key:
            raise HandshakeError("the peer is this node itself")
        self._config = config
        self._ephemeral = new_ephemeral(config.primitives, config.entropy)
        self._kem = new_kem_ephemeral(config.primitives, config.entropy)
        self._state = _initial_state(prologue, responder_signing_key, config)
        self._is_complete = False
        self.local_index = local_index
        self.request = self._write_request()

    def receive_reply(self, reply: bytes, *, suite: int, remote_index: int) -> AgreedKeys:
        """Returns the keys for the suite that the responder chose; raises HandshakeError.

        After an error it still waits for the genuine reply; after success, any further reply is an error.
        """
        if self._is_complete:
            raise HandshakeError("the handshake is complete")
        if len(reply) != SESSION_REPLY_BYTES:
            raise HandshakeError(f"session reply of {len(reply)} bytes")
        require_offered(suite, self._config.suites)
        state = self._state.copy()
        remote_ephemeral = reply[:EXCHANGE_BYTES]
        state.mix_hash(_choice(suite, remote_index))
        state.mix_ephemeral(remote_ephemeral)
        state.mix_exchange(self._ephemeral.secret, remote_ephemeral)
        state.read_encapsulation(reply[EXCHANGE_BYTES:_KEM_END], self._kem.private)
        state.mix_exchange(self._config.identity.exchange_secret, remote_ephemeral)
        state.mix_key_and_hash(self._config.psk)
        state.decrypt_and_hash(reply[_KEM_END:])
        self._is_complete = True
        return agreed_keys(
            state,
            self._peer,
            self._config.primitives,
            suite=suite,
            local_index=self.local_index,
            remote_index=remote_index,
            is_initiator=True,
        )

    def _write_request(self) -> bytes:
        state, identity = self._state, self._config.identity
        state.mix_ephemeral(self._ephemeral.public)
        state.mix_exchange(self._ephemeral.secret, self._peer.exchange_key)
        kem_public = state.encrypt_and_hash(self._kem.public)
        static = state.encrypt_and_hash(identity.signing_public_key)
        state.mix_exchange(identity.exchange_secret, self._peer.exchange_key)
        return self._ephemeral.public + kem_public + static + state.encrypt_and_hash(b"")


def answer_request(
    config: HandshakeConfig, request: bytes, *, suite: int, local_index: int, remote_index: int, prologue: bytes
) -> tuple[bytes, AgreedKeys]:
    """Returns the reply to a session request, and the keys for the suite chosen; raises HandshakeError.

    The request may be a recording: only a train opened under the keys proves that the peer is live. The caller compares
    `peer_address` with the train's source.
    """
    if len(request) != SESSION_REQUEST_BYTES:
        raise HandshakeError(f"session request of {len(request)} bytes")
    state = _initial_state(prologue, config.identity.signing_public_key, config)
    kem_public, peer = _read_request(state, request, config)
    state.mix_hash(_choice(suite, local_index))
    reply = _write_reply(state, request[:EXCHANGE_BYTES], kem_public, peer, config)
    keys = agreed_keys(
        state,
        peer,
        config.primitives,
        suite=suite,
        local_index=local_index,
        remote_index=remote_index,
        is_initiator=False,
    )
    return reply, keys


def _read_request(state: SymmetricState, request: bytes, config: HandshakeConfig) -> tuple[bytes, PeerKeys]:
    remote_ephemeral = request[:EXCHANGE_BYTES]
    state.mix_ephemeral(remote_ephemeral)
    state.mix_exchange(config.identity.exchange_secret, remote_ephemeral)
    kem_public = state.decrypt_and_hash(request[EXCHANGE_BYTES:_E1_END])
    peer = state.read_static(request[_E1_END:_S_END], config.identity)
    state.mix_exchange(config.identity.exchange_secret, peer.exchange_key)
    state.decrypt_and_hash(request[_S_END:])
    return kem_public, peer


def _write_reply(
    state: SymmetricState,
    remote_ephemeral: bytes,
    kem_public: bytes,
    peer: PeerKeys,
    config: HandshakeConfig,
) -> bytes:
    ephemeral = new_ephemeral(config.primitives, config.entropy)
    state.mix_ephemeral(ephemeral.public)
    state.mix_exchange(ephemeral.secret, remote_ephemeral)
    encapsulation = state.write_encapsulation(kem_public)
    state.mix_exchange(ephemeral.secret, peer.exchange_key)
    state.mix_key_and_hash(config.psk)
    return ephemeral.public + encapsulation + state.encrypt_and_hash(b"")


def _initial_state(prologue: bytes, responder_signing_key: bytes, config: HandshakeConfig) -> SymmetricState:
    state = SymmetricState(PROTOCOL_NAME, PROLOGUE_LABEL + config.network_id + prologue, config.primitives)
    state.mix_hash(responder_signing_key)  # the pattern's pre-message
    return state
