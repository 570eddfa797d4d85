"""The SymmetricState of the Noise Protocol Framework (revision 34), and the message tokens that both handshakes use.

The handshake cipher is ChaCha20-Poly1305, the hash BLAKE2b-512. `e1` and `ekem1` are the tokens of the hybrid forward secrecy
extension, with ML-KEM-768. A static key is sent as an Ed25519 public key, which also verifies signatures, and is converted to
X25519 for the exchange.
"""

import hashlib
import hmac
import struct
from collections.abc import Callable
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from msgspec import Struct

from mycelium.crypto.primitives import EXCHANGE_BYTES, KEM_SEED_BYTES, Aead, Primitives
from mycelium.errors import HandshakeError, IdentityError, OwnKey
from mycelium.identity import Identity, exchange_key_of_signing_key
from mycelium.wire.datagram import SUITE_CHACHA20_POLY1305, TAG_BYTES

Entropy = Callable[[int], bytes]

HASH_BYTES: Final = 64
KEY_BYTES: Final = 32

_NONCE: Final = struct.Struct("<4xQ")


def hkdf(chaining_key: bytes, input_key: bytes, outputs: int) -> list[bytes]:
    """Returns `outputs` strings of 64 bytes: HKDF of the Noise specification, section 4.3, over HMAC-BLAKE2b-512."""
    temporary = hmac.digest(chaining_key, input_key, hashlib.blake2b)
    results: list[bytes] = []
    block = b""
    for number in range(1, outputs + 1):
        block = hmac.digest(temporary, block + bytes((number,)), hashlib.blake2b)
        results.append(block)
    return results


class SymmetricState:
    """Chaining key, handshake hash and cipher of a handshake under way; methods as in section 5.2 of the specification."""

    __slots__ = ("_chaining_key", "_cipher", "_nonce", "_primitives", "handshake_hash")

    def __init__(self, protocol_name: bytes, prologue: bytes, primitives: Primitives) -> None:
        self._primitives = primitives
        self._cipher: Aead | None = None
        self._nonce = 0
        self.handshake_hash = (
            protocol_name.ljust(HASH_BYTES, b"\0")
            if len(protocol_name) <= HASH_BYTES
            else hashlib.blake2b(protocol_name).digest()
        )
        self._chaining_key = self.handshake_hash
        self.mix_hash(prologue)

    def copy(self) -> "SymmetricState":
        """Returns a copy to process a message on, so that a forged one does not change this state."""
        copy = SymmetricState.__new__(SymmetricState)
        for name in self.__slots__:
            setattr(copy, name, getattr(self, name))
        return copy

    def mix_hash(self, data: bytes) -> None:
        self.handshake_hash = hashlib.blake2b(self.handshake_hash + data).digest()

    def mix_key(self, input_key: bytes) -> None:
        self._chaining_key, key = hkdf(self._chaining_key, input_key, 2)
        self._set_key(key)

    def mix_key_and_hash(self, input_key: bytes) -> None:
        self._chaining_key, to_hash, key = hkdf(self._chaining_key, input_key, 3)
        self.mix_hash(to_hash)
        self._set_key(key)

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        """Returns `plaintext` sealed, 16 bytes longer, or unchanged while there is no key."""
        if self._cipher is None:
            self.mix_hash(plaintext)
            return plaintext
        sealed = bytearray(len(plaintext) + TAG_BYTES)
        self._cipher.encrypt_into(_NONCE.pack(self._nonce), plaintext, self.handshake_hash, sealed)
        self._nonce += 1
        result = bytes(sealed)
        self.mix_hash(result)
        return result

    def decrypt_and_hash(self, sealed: bytes) -> bytes:
        """Returns what the peer passed to `encrypt_and_hash`; raises HandshakeError if it does not authenticate."""
        if self._cipher is None:
            self.mix_hash(sealed)
            return sealed
        if len(sealed) < TAG_BYTES:
            raise HandshakeError("handshake message is short")
        plaintext = bytearray(len(sealed) - TAG_BYTES)
        try:
            self._cipher.decrypt_into(_NONCE.pack(self._nonce), sealed, self.handshake_hash, plaintext)
        except InvalidTag as error:
            raise HandshakeError("handshake message does not authenticate") from error
        self._nonce += 1
        self.mix_hash(sealed)
        return bytes(plaintext)

    def split(self) -> tuple[bytes, bytes]:
        """Returns two 32-byte keys: what the initiator seals with, and what the responder seals with."""
        first, second = hkdf(self._chaining_key, b"", 2)
        return first[:KEY_BYTES], second[:KEY_BYTES]

    def mix_ephemeral(self, public: bytes) -> None:
        """Mixes token e into the hash and the key, as patterns with a pre-shared key do (section 9.2)."""
        self.mix_hash(public)
        self.mix_key(public)

    def mix_exchange(self, secret: bytes, public: bytes) -> None:
        """Mixes the X25519 shared secret of two keys: tokens ee, es, se, ss."""
        self.mix_key(self._primitives.exchange(secret, public))

    def write_encapsulation(self, kem_public: bytes) -> bytes:
        """Writes token ekem1: returns the sealed ciphertext of a new ML-KEM secret, and mixes the secret."""
        shared, ciphertext = self._primitives.kem_encapsulate(kem_public)
        sealed = self.encrypt_and_hash(ciphertext)
        self.mix_key(shared)
        return sealed

    def read_encapsulation(self, sealed: bytes, kem_private: Any) -> None:
        """Reads token ekem1."""
        ciphertext = self.decrypt_and_hash(sealed)
        self.mix_key(self._primitives.kem_decapsulate(kem_private, ciphertext))

    def read_static(self, sealed: bytes, own: Identity) -> "PeerKeys":
        """Reads token s: the peer's keys, proved only by later tokens; raises OwnKey if they are our own."""
        peer = peer_keys(self.decrypt_and_hash(sealed))
        if peer.exchange_key == own.exchange_public_key:
            raise OwnKey("the peer is this node itself")
        return peer

    def _set_key(self, key: bytes) -> None:
        self._cipher = self._primitives.aead(SUITE_CHACHA20_POLY1305, key[:KEY_BYTES])
        self._nonce = 0


class PeerKeys(Struct, frozen=True):
    """A static public key in both forms: Ed25519, and the X25519 key converted from it."""

    signing_key: bytes
    exchange_key: bytes


class Ephemeral(Struct, frozen=True):
    """A handshake's own X25519 key pair."""

    secret: bytes
    public: bytes


class KemEphemeral(Struct, frozen=True):
    """An initiator's own ML-KEM-768 key pair."""

    private: Any
    public: bytes


def peer_keys(signing_key: bytes) -> PeerKeys:
    """Converts a received Ed25519 key; raises HandshakeError if it is invalid."""
    try:
        return PeerKeys(signing_key, exchange_key_of_signing_key(signing_key))
    except IdentityError as error:
        raise HandshakeError("the peer's static key is not an Ed25519 public key") from error


def new_ephemeral(primitives: Primitives, entropy: Entropy) -> Ephemeral:
    secret = entropy(EXCHANGE_BYTES)
    return Ephemeral(secret, primitives.public_of(secret))


def new_kem_ephemeral(primitives: Primitives, entropy: Entropy) -> KemEphemeral:
    return KemEphemeral(*primitives.kem_keypair(entropy(KEM_SEED_BYTES)))
