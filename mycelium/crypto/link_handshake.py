"""How two neighbours agree on keys: Noise XXhfs in three datagrams, laid out in `mycelium.wire.datagram`.

    -> e, e1
    <- e, ee, ekem1, psk, s, es
    -> s, se

The prologue is a label, the network id and the 8-byte head of message 1; the heads of messages 2 and 3 are mixed into the hash
before the rest of these messages, so every byte of a datagram is authenticated, except for the macs of message 1. The
pre-shared key (32 zero bytes if the network has none) is mixed in after `ekem1`. An end of another network, by key or by name,
fails at message 2 and gets no message 3.

The payload of messages 2 and 3 is the instance of their sender; that of message 1 is empty.

Received messages are processed on a copy of the state, so a forged one never ends a handshake that is under way.
"""

from typing import Final

from msgspec import Struct

from mycelium.crypto.cookies import ASKING, add_cookie, seal_message_1
from mycelium.crypto.handshake import AgreedKeys, HandshakeConfig, agreed_keys, choose_suite, require_offered
from mycelium.crypto.noise import PeerKeys, SymmetricState, new_ephemeral, new_kem_ephemeral
from mycelium.crypto.primitives import EXCHANGE_BYTES, KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_BYTES
from mycelium.errors import HandshakeError, WrongKey
from mycelium.identity import PUBLIC_KEY_BYTES
from mycelium.wire.datagram import (
    HANDSHAKE_1,
    HANDSHAKE_1_BYTES,
    HANDSHAKE_1_HEAD,
    HANDSHAKE_2,
    HANDSHAKE_2_BYTES,
    HANDSHAKE_2_HEAD,
    HANDSHAKE_3,
    HANDSHAKE_3_BYTES,
    HANDSHAKE_3_HEAD,
    PROTOCOL_VERSION,
    TAG_BYTES,
)

PROTOCOL_NAME: Final = b"Noise_XXhfs_25519+MLKEM768_ChaChaPoly_BLAKE2b"
PROLOGUE_LABEL: Final = b"mycelium link 1\x00"

_E1_END: Final = HANDSHAKE_1_HEAD.size + EXCHANGE_BYTES  # message 1: where `e` ends and `e1` begins
_E2_END: Final = HANDSHAKE_2_HEAD.size + EXCHANGE_BYTES
_KEM_END: Final = _E2_END + KEM_CIPHERTEXT_BYTES + TAG_BYTES
_S2_END: Final = _KEM_END + PUBLIC_KEY_BYTES + TAG_BYTES
_S3_END: Final = HANDSHAKE_3_HEAD.size + PUBLIC_KEY_BYTES + TAG_BYTES


class LinkInitiator:
    """Starts a handshake: send `message_1`, feed the answers, send the message 3 that `receive_message_2` returns.

    `pin` is the X25519 key that the neighbour must have, `period` the present one of `HandshakeGate`.
    """

    def __init__(self, config: HandshakeConfig, *, local_index: int, pin: bytes | None, period: int) -> None:
        self._config = config
        self._local_index = local_index
        self._pin = pin
        self._ephemeral = new_ephemeral(config.primitives, config.entropy)
        self._kem = new_kem_ephemeral(config.primitives, config.entropy)
        head = HANDSHAKE_1_HEAD.pack(HANDSHAKE_1, PROTOCOL_VERSION, config.suites, 0, local_index)
        body = head + self._ephemeral.public + self._kem.public
        self._state = _state_after_message_1(body, config)
        self._is_complete = False
        self.message_1 = seal_message_1(body, config.psk, pin, period=period)
        self.asking_message_1 = seal_message_1(body, config.psk, period=ASKING)  # for a cookie

    def answer_cookie(self, datagram: bytes) -> bytes:
        """Returns message 1 with a cookie; raises HandshakeError if the datagram answers none of ours."""
        return add_cookie(datagram, (self.message_1, self.asking_message_1), self._config.psk)

    def receive_message_2(self, datagram: bytes) -> tuple[bytes, AgreedKeys]:
        """Returns message 3 and the keys; raises HandshakeError, and then still waits for the genuine message 2.

        What raises WrongKey is genuine: its sender has proved the other key.
        """
        if self._is_complete:
            raise HandshakeError("the handshake is complete")
        remote_index, suite = self._read_head(datagram)
        state = self._state.copy()
        remote_ephemeral = datagram[HANDSHAKE_2_HEAD.size : _E2_END]
        peer, instance = self._read_message_2(state, datagram, remote_ephemeral)
        if self._pin is not None and peer.exchange_key != self._pin:
            raise WrongKey(peer.exchange_key, self._pin)
        message_3 = self._write_message_3(state, remote_index, remote_ephemeral)
        self._is_complete = True
        keys = agreed_keys(
            state,
            peer,
            self._config.primitives,
            suite=suite,
            local_index=self._local_index,
            remote_index=remote_index,
            is_initiator=True,
            peer_instance=instance,
        )
        return message_3, keys

    def _read_head(self, datagram: bytes) -> tuple[int, int]:
        """Returns the responder's index and the suite it chose."""
        if len(datagram) != HANDSHAKE_2_BYTES:
            raise HandshakeError(f"message 2 of {len(datagram)} bytes")
        kind, version, suite, _, remote_index, receiver = HANDSHAKE_2_HEAD.unpack_from(datagram)
        if kind != HANDSHAKE_2 or version != PROTOCOL_VERSION or receiver != self._local_index:
            raise HandshakeError("not an answer to this message 1")
        require_offered(suite, self._config.suites)
        return remote_index, suite

    def _read_message_2(
        self, state: SymmetricState, datagram: bytes, remote_ephemeral: bytes
    ) -> tuple[PeerKeys, bytes]:
        """Returns the responder's keys and instance."""
        state.mix_hash(datagram[: HANDSHAKE_2_HEAD.size])
        state.mix_hash(remote_ephemeral)
        state.mix_exchange(self._ephemeral.secret, remote_ephemeral)
        state.read_encapsulation(datagram[_E2_END:_KEM_END], self._kem.private)
        state.mix_key_and_hash(self._config.psk)
        peer = state.read_static(datagram[_KEM_END:_S2_END], self._config.identity)
        state.mix_exchange(self._ephemeral.secret, peer.exchange_key)
        return peer, state.decrypt_and_hash(datagram[_S2_END:])

    def _write_message_3(self, state: SymmetricState, remote_index: int, remote_ephemeral: bytes) -> bytes:
        head = HANDSHAKE_3_HEAD.pack(HANDSHAKE_3, remote_index)
        state.mix_hash(head)
        static = state.encrypt_and_hash(self._config.identity.signing_public_key)
        state.mix_exchange(self._config.identity.exchange_secret, remote_ephemeral)
        return head + static + state.encrypt_and_hash(self._config.instance)


class LinkResponder:
    """Answers one handshake, whose message 1 a HandshakeGate has accepted."""

    def __init__(self, config: HandshakeConfig, *, local_index: int) -> None:
        self._config = config
        self._local_index = local_index
        self._pending: _Pending | None = None
        self._is_complete = False

    def receive_message_1(self, datagram: bytes) -> bytes:
        """Returns message 2; raises HandshakeError."""
        if self._pending is not None:
            raise HandshakeError("message 1 has come already")
        config = self._config
        remote_index, suite = self._read_head(datagram)
        state = _state_after_message_1(datagram[: _E1_END + KEM_PUBLIC_BYTES], config)
        remote_ephemeral = datagram[HANDSHAKE_1_HEAD.size : _E1_END]
        ephemeral = new_ephemeral(config.primitives, config.entropy)
        head = HANDSHAKE_2_HEAD.pack(HANDSHAKE_2, PROTOCOL_VERSION, suite, 0, self._local_index, remote_index)
        state.mix_hash(head)
        state.mix_hash(ephemeral.public)
        state.mix_exchange(ephemeral.secret, remote_ephemeral)
        encapsulation = state.write_encapsulation(datagram[_E1_END : _E1_END + KEM_PUBLIC_BYTES])
        state.mix_key_and_hash(config.psk)
        static = state.encrypt_and_hash(config.identity.signing_public_key)
        state.mix_exchange(config.identity.exchange_secret, remote_ephemeral)
        message_2 = head + ephemeral.public + encapsulation + static + state.encrypt_and_hash(config.instance)
        self._pending = _Pending(state, ephemeral.secret, remote_index, suite)
        return message_2

    def receive_message_3(self, datagram: bytes) -> AgreedKeys:
        """Returns the keys; raises HandshakeError, and then still waits for the genuine message 3."""
        pending = self._pending
        if pending is None or self._is_complete:
            raise HandshakeError("message 3 is not expected")
        if len(datagram) != HANDSHAKE_3_BYTES:
            raise HandshakeError(f"message 3 of {len(datagram)} bytes")
        kind, receiver = HANDSHAKE_3_HEAD.unpack_from(datagram)
        if kind != HANDSHAKE_3 or receiver != self._local_index:
            raise HandshakeError("not an answer to this message 2")
        state = pending.state.copy()
        state.mix_hash(datagram[: HANDSHAKE_3_HEAD.size])
        peer = state.read_static(datagram[HANDSHAKE_3_HEAD.size : _S3_END], self._config.identity)
        state.mix_exchange(pending.ephemeral_secret, peer.exchange_key)
        instance = state.decrypt_and_hash(datagram[_S3_END:])
        self._is_complete = True
        return agreed_keys(
            state,
            peer,
            self._config.primitives,
            suite=pending.suite,
            local_index=self._local_index,
            remote_index=pending.remote_index,
            is_initiator=False,
            peer_instance=instance,
        )

    def _read_head(self, datagram: bytes) -> tuple[int, int]:
        """Returns the initiator's index and the suite chosen."""
        if len(datagram) != HANDSHAKE_1_BYTES:
            raise HandshakeError(f"message 1 of {len(datagram)} bytes")
        kind, version, offered, _, remote_index = HANDSHAKE_1_HEAD.unpack_from(datagram)
        if kind != HANDSHAKE_1 or version != PROTOCOL_VERSION:
            raise HandshakeError("not a message 1 of this version")
        return remote_index, choose_suite(offered, self._config.suites)


class _Pending(Struct, frozen=True):
    """The state of a responder between messages 2 and 3."""

    state: SymmetricState
    ephemeral_secret: bytes
    remote_index: int
    suite: int


def _state_after_message_1(message_1: bytes, config: HandshakeConfig) -> SymmetricState:
    """Processes tokens e, e1, for both ends, as nothing is encrypted yet; `message_1` has no mac."""
    prologue = PROLOGUE_LABEL + config.network_id + message_1[: HANDSHAKE_1_HEAD.size]
    state = SymmetricState(PROTOCOL_NAME, prologue, config.primitives)
    state.mix_hash(message_1[HANDSHAKE_1_HEAD.size : _E1_END])
    state.mix_hash(message_1[_E1_END:])
    state.mix_hash(b"")  # the empty payload
    return state
