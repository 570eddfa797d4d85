"""How two neighbours agree on keys: Noise XXhfs in three datagrams, laid out in `mycelium.wire.datagram`.

    -> e, e1
    <- e, ee, ekem1, psk, s, es
    -> s, se

The prologue is a label and the 8-byte head of message 1; the heads of messages 2 and 3 are mixed into the hash before anything
else in them, so every byte of a datagram but the mac of message 1 is authenticated. The pre-shared key (32 zero bytes if the
network has none) comes right after `ekem1`: whoever has another one fails at message 2.

Everything that comes in is tried on a copy of the state, so a forged message never ends a handshake that is under way.
"""

from typing import Final

from msgspec import Struct

from mycelium.crypto.cookies import read_cookie, seal_message_1
from mycelium.crypto.keys import OpeningKey, SealingKey
from mycelium.crypto.noise import (
    Entropy,
    PeerKeys,
    SymmetricState,
    new_ephemeral,
    new_kem_ephemeral,
    require_psk,
)
from mycelium.crypto.primitives import EXCHANGE_BYTES, KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_BYTES, Primitives
from mycelium.errors import HandshakeError, LocalError
from mycelium.identity import PUBLIC_KEY_BYTES, Identity, address_of_exchange_key
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
    SUITE_AES_256_GCM,
    SUITE_CHACHA20_POLY1305,
    TAG_BYTES,
)

PROTOCOL_NAME: Final = b"Noise_XXhfs_25519+MLKEM768_ChaChaPoly_BLAKE2b"
PROLOGUE_LABEL: Final = b"mycelium link 1\x00"

_E1_END: Final = HANDSHAKE_1_HEAD.size + EXCHANGE_BYTES  # message 1: where `e` ends and `e1` begins
_E2_END: Final = HANDSHAKE_2_HEAD.size + EXCHANGE_BYTES
_KEM_END: Final = _E2_END + KEM_CIPHERTEXT_BYTES + TAG_BYTES
_S2_END: Final = _KEM_END + PUBLIC_KEY_BYTES + TAG_BYTES
_S3_END: Final = HANDSHAKE_3_HEAD.size + PUBLIC_KEY_BYTES + TAG_BYTES


class LinkKeys(Struct, frozen=True, kw_only=True):
    """What a finished handshake leaves: who the neighbour is, and a key for each direction."""

    peer_signing_key: bytes
    peer_exchange_key: bytes
    peer_address: bytes
    suite: int
    sending: SealingKey
    opening: OpeningKey
    local_index: int  # what the neighbour puts into datagrams for us
    remote_index: int
    handshake_hash: bytes  # the same at both ends, and for no other handshake
    initiator: bool


class LinkInitiator:
    """Begins a handshake. Send `message_1()`, feed what answers, send what `receive_message_2` returns; then `result`.

    `suites` is a set of SUITE_* bits; `pin` the X25519 key that the neighbour must have.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        psk: bytes,
        suites: int,
        sender_index: int,
        pin: bytes | None,
        entropy: Entropy,
        primitives: Primitives,
    ) -> None:
        require_psk(psk)
        self._identity = identity
        self._psk = psk
        self._suites = suites
        self._sender_index = sender_index
        self._pin = pin
        self._primitives = primitives
        self._ephemeral = new_ephemeral(primitives, entropy)
        self._kem = new_kem_ephemeral(primitives, entropy)
        head = HANDSHAKE_1_HEAD.pack(HANDSHAKE_1, PROTOCOL_VERSION, suites, 0, sender_index)
        self._unsealed_message_1 = head + self._ephemeral.public + self._kem.public
        self._state = _state_after_message_1(self._unsealed_message_1, primitives)
        self._last_message_1 = b""
        self._answered = b""  # the message 2 that was accepted, and the message 3 that answers it
        self._message_3 = b""
        self.cookie: bytes | None = None
        self._result: LinkKeys | None = None

    @property
    def result(self) -> LinkKeys:
        """The keys, once message 2 has been accepted; LocalError before."""
        return _finished(self._result)

    def message_1(self, cookie: bytes | None = None) -> bytes:
        """Returns the first datagram, for a responder that gave this cookie, or the one received last."""
        self._last_message_1 = seal_message_1(self._unsealed_message_1, self._psk, cookie or self.cookie)
        return self._last_message_1

    def receive_cookie(self, datagram: bytes) -> None:
        """Keeps the cookie for `message_1`; raises HandshakeError where it does not answer the last one returned."""
        self.cookie = read_cookie(datagram, self._last_message_1, self._psk)

    def receive_message_2(self, datagram: bytes) -> bytes:
        """Returns message 3, and the same again when message 2 comes again; raises HandshakeError."""
        if self._result is not None:
            if datagram == self._answered:
                return self._message_3
            raise HandshakeError("the handshake is complete")
        remote_index, suite = self._read_head(datagram)
        state = self._state.copy()
        remote_ephemeral = datagram[HANDSHAKE_2_HEAD.size : _E2_END]
        peer = self._read_message_2(state, datagram, remote_ephemeral)
        if self._pin is not None and peer.exchange_key != self._pin:
            raise HandshakeError("the neighbour's key is not the pinned one")
        message_3 = self._write_message_3(state, remote_index, remote_ephemeral)
        self._result = _link_keys(
            state,
            peer,
            self._primitives,
            suite=suite,
            local_index=self._sender_index,
            remote_index=remote_index,
            initiator=True,
        )
        self._answered, self._message_3 = datagram, message_3
        return message_3

    def _read_head(self, datagram: bytes) -> tuple[int, int]:
        """Returns the responder's index and the suite it chose."""
        if len(datagram) != HANDSHAKE_2_BYTES:
            raise HandshakeError(f"message 2 of {len(datagram)} bytes")
        kind, version, suite, _, remote_index, receiver = HANDSHAKE_2_HEAD.unpack_from(datagram)
        if kind != HANDSHAKE_2 or version != PROTOCOL_VERSION or receiver != self._sender_index:
            raise HandshakeError("not an answer to this message 1")
        if suite not in (SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305) or not suite & self._suites:
            raise HandshakeError(f"cipher suite {suite} was not offered")
        return remote_index, suite

    def _read_message_2(self, state: SymmetricState, datagram: bytes, remote_ephemeral: bytes) -> PeerKeys:
        state.mix_hash(datagram[: HANDSHAKE_2_HEAD.size])
        state.mix_hash(remote_ephemeral)
        state.mix_exchange(self._ephemeral.secret, remote_ephemeral)
        state.read_encapsulation(datagram[_E2_END:_KEM_END], self._kem.private)
        state.mix_key_and_hash(self._psk)
        peer = state.read_static(datagram[_KEM_END:_S2_END], self._identity)
        state.mix_exchange(self._ephemeral.secret, peer.exchange_key)
        state.decrypt_and_hash(datagram[_S2_END:])
        return peer

    def _write_message_3(self, state: SymmetricState, remote_index: int, remote_ephemeral: bytes) -> bytes:
        head = HANDSHAKE_3_HEAD.pack(HANDSHAKE_3, remote_index)
        state.mix_hash(head)
        static = state.encrypt_and_hash(self._identity.signing_public_key)
        state.mix_exchange(self._identity.exchange_secret, remote_ephemeral)
        return head + static + state.encrypt_and_hash(b"")


class LinkResponder:
    """Answers one handshake, whose message 1 a HandshakeGate has accepted. `result` is there after message 3.

    `suites` is what this node can do; AES-256-GCM is chosen where both ends offer it, so a node whose CPU has no AES
    instructions leaves it out.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        psk: bytes,
        suites: int,
        sender_index: int,
        entropy: Entropy,
        primitives: Primitives,
    ) -> None:
        require_psk(psk)
        self._identity = identity
        self._psk = psk
        self._suites = suites
        self._sender_index = sender_index
        self._entropy = entropy
        self._primitives = primitives
        self._pending: _Pending | None = None
        self._result: LinkKeys | None = None

    @property
    def result(self) -> LinkKeys:
        """The keys, once message 3 has been accepted; LocalError before."""
        return _finished(self._result)

    def receive_message_1(self, datagram: bytes) -> bytes:
        """Returns message 2; raises HandshakeError."""
        if self._pending is not None:
            raise HandshakeError("message 1 has come already")
        remote_index, suite = self._read_head(datagram)
        state = _state_after_message_1(datagram[: _E1_END + KEM_PUBLIC_BYTES], self._primitives)
        remote_ephemeral = datagram[HANDSHAKE_1_HEAD.size : _E1_END]
        ephemeral = new_ephemeral(self._primitives, self._entropy)
        head = HANDSHAKE_2_HEAD.pack(HANDSHAKE_2, PROTOCOL_VERSION, suite, 0, self._sender_index, remote_index)
        state.mix_hash(head)
        state.mix_hash(ephemeral.public)
        state.mix_exchange(ephemeral.secret, remote_ephemeral)
        encapsulation = state.write_encapsulation(datagram[_E1_END : _E1_END + KEM_PUBLIC_BYTES])
        state.mix_key_and_hash(self._psk)
        static = state.encrypt_and_hash(self._identity.signing_public_key)
        state.mix_exchange(self._identity.exchange_secret, remote_ephemeral)
        message_2 = head + ephemeral.public + encapsulation + static + state.encrypt_and_hash(b"")
        self._pending = _Pending(state, ephemeral.secret, remote_index, suite)
        return message_2

    def receive_message_3(self, datagram: bytes) -> None:
        """Completes the handshake; raises HandshakeError, and then still waits for the real message 3."""
        pending = self._pending
        if pending is None or self._result is not None:
            raise HandshakeError("message 3 is not expected")
        if len(datagram) != HANDSHAKE_3_BYTES:
            raise HandshakeError(f"message 3 of {len(datagram)} bytes")
        kind, receiver = HANDSHAKE_3_HEAD.unpack_from(datagram)
        if kind != HANDSHAKE_3 or receiver != self._sender_index:
            raise HandshakeError("not an answer to this message 2")
        state = pending.state.copy()
        state.mix_hash(datagram[: HANDSHAKE_3_HEAD.size])
        peer = state.read_static(datagram[HANDSHAKE_3_HEAD.size : _S3_END], self._identity)
        state.mix_exchange(pending.ephemeral_secret, peer.exchange_key)
        state.decrypt_and_hash(datagram[_S3_END:])
        self._result = _link_keys(
            state,
            peer,
            self._primitives,
            suite=pending.suite,
            local_index=self._sender_index,
            remote_index=pending.remote_index,
            initiator=False,
        )

    def _read_head(self, datagram: bytes) -> tuple[int, int]:
        """Returns the initiator's index and the suite chosen."""
        if len(datagram) != HANDSHAKE_1_BYTES:
            raise HandshakeError(f"message 1 of {len(datagram)} bytes")
        kind, version, offered, _, remote_index = HANDSHAKE_1_HEAD.unpack_from(datagram)
        if kind != HANDSHAKE_1 or version != PROTOCOL_VERSION:
            raise HandshakeError("not a message 1 of this version")
        for suite in (SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305):
            if suite & offered & self._suites:
                return remote_index, suite
        raise HandshakeError("no cipher suite in common")


class _Pending(Struct, frozen=True):
    """What a responder keeps between messages 2 and 3."""

    state: SymmetricState
    ephemeral_secret: bytes
    remote_index: int
    suite: int


def _finished(result: LinkKeys | None) -> LinkKeys:
    if result is None:
        raise LocalError("the handshake is not complete")
    return result


def _state_after_message_1(message_1: bytes, primitives: Primitives) -> SymmetricState:
    """Reads or writes tokens e, e1, which is the same as there is no key yet; `message_1` comes without its mac."""
    state = SymmetricState(PROTOCOL_NAME, PROLOGUE_LABEL + message_1[: HANDSHAKE_1_HEAD.size], primitives)
    state.mix_hash(message_1[HANDSHAKE_1_HEAD.size : _E1_END])
    state.mix_hash(message_1[_E1_END:])
    state.mix_hash(b"")  # the empty payload
    return state


def _link_keys(
    state: SymmetricState,
    peer: PeerKeys,
    primitives: Primitives,
    *,
    suite: int,
    local_index: int,
    remote_index: int,
    initiator: bool,
) -> LinkKeys:
    of_initiator, of_responder = (primitives.aead(suite, key) for key in state.split())
    return LinkKeys(
        peer_signing_key=peer.signing_key,
        peer_exchange_key=peer.exchange_key,
        peer_address=address_of_exchange_key(peer.exchange_key),
        suite=suite,
        sending=SealingKey(of_initiator if initiator else of_responder),
        opening=OpeningKey(of_responder if initiator else of_initiator),
        local_index=local_index,
        remote_index=remote_index,
        handshake_hash=state.handshake_hash,
        initiator=initiator,
    )
