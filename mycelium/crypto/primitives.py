"""Ciphers and key exchanges behind one interface.

The simulator uses an implementation with the same sizes that costs next to nothing.
"""

from typing import Any, Final, Protocol

import nacl.bindings as sodium
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from nacl.exceptions import CryptoError

from mycelium.errors import HandshakeError
from mycelium.wire.datagram import SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305

Buffer = bytes | bytearray | memoryview

EXCHANGE_BYTES: Final = 32  # an X25519 secret, public key or shared secret
KEM_SEED_BYTES: Final = 64
KEM_PUBLIC_BYTES: Final = 1_184
KEM_CIPHERTEXT_BYTES: Final = 1_088


class Aead(Protocol):
    """A keyed cipher with a 12-byte nonce and a 16-byte tag after the ciphertext.

    `buf` must have exactly the size of the result, else ValueError. `decrypt_into` raises cryptography's InvalidTag; the
    content of `buf` must not be used then.
    """

    def encrypt_into(self, nonce: Buffer, data: Buffer, associated_data: Buffer | None, buf: Buffer, /) -> int: ...
    def decrypt_into(self, nonce: Buffer, data: Buffer, associated_data: Buffer | None, buf: Buffer, /) -> int: ...


class Primitives(Protocol):
    """Ciphers, X25519, ML-KEM-768 and ML-DSA-65, or stand-ins of the same sizes."""

    def aead(self, suite: int, key: bytes) -> Aead:
        """Returns the cipher of a suite, one of `wire.datagram`'s SUITE_*, under a 32-byte key."""

    def exchange(self, secret: bytes, public: bytes) -> bytes:
        """Returns the 32-byte X25519 shared secret; raises HandshakeError for a key of small order."""

    def public_of(self, secret: bytes) -> bytes:
        """Returns the X25519 public key of a 32-byte secret."""

    def kem_keypair(self, seed: bytes) -> tuple[Any, bytes]:
        """Returns a private key, opaque to the caller, and its 1,184-byte public key from a 64-byte seed."""

    def kem_encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        """Returns a 32-byte shared secret and its 1,088-byte ciphertext; raises HandshakeError for an invalid public key."""

    def kem_decapsulate(self, private: Any, ciphertext: bytes) -> bytes:
        """Returns the 32-byte shared secret; raises HandshakeError for a ciphertext of the wrong size.

        A ciphertext for another key yields a secret that nobody else has.
        """

    def dsa_keypair(self, seed: bytes) -> tuple[Any, bytes]:
        """Returns a private key, opaque to the caller, and its 1,952-byte public key from a 32-byte seed."""

    def dsa_sign(self, private: Any, message: bytes) -> bytes:
        """Returns a signature of 3,309 bytes."""

    def dsa_verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Tells whether a signature is valid; False for a malformed key or signature too."""


class RealPrimitives:
    """X25519 by libsodium, ML-KEM-768, ML-DSA-65, AES-256-GCM and ChaCha20-Poly1305 by OpenSSL."""

    __slots__ = ()

    def aead(self, suite: int, key: bytes) -> Aead:
        if suite == SUITE_AES_256_GCM:
            return AESGCM(key)
        if suite == SUITE_CHACHA20_POLY1305:
            return ChaCha20Poly1305(key)
        raise HandshakeError(f"unknown cipher suite {suite}")

    def exchange(self, secret: bytes, public: bytes) -> bytes:
        if len(public) != EXCHANGE_BYTES:  # PyNaCl does not check, and libsodium would read past the end
            raise HandshakeError(f"an X25519 key of {len(public)} bytes")
        try:
            return sodium.crypto_scalarmult(secret, public)
        except CryptoError as error:
            raise HandshakeError("an X25519 key of small order") from error

    def public_of(self, secret: bytes) -> bytes:
        return sodium.crypto_scalarmult_base(secret)

    def kem_keypair(self, seed: bytes) -> tuple[MLKEM768PrivateKey, bytes]:
        private = MLKEM768PrivateKey.from_seed_bytes(seed)
        return private, private.public_key().public_bytes_raw()

    def kem_encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        try:
            return MLKEM768PublicKey.from_public_bytes(public).encapsulate()
        except ValueError as error:
            raise HandshakeError("not an ML-KEM-768 public key") from error

    def kem_decapsulate(self, private: MLKEM768PrivateKey, ciphertext: bytes) -> bytes:
        try:
            return private.decapsulate(ciphertext)
        except ValueError as error:
            raise HandshakeError("not an ML-KEM-768 ciphertext") from error

    def dsa_keypair(self, seed: bytes) -> tuple[MLDSA65PrivateKey, bytes]:
        private = MLDSA65PrivateKey.from_seed_bytes(seed)
        return private, private.public_key().public_bytes_raw()

    def dsa_sign(self, private: MLDSA65PrivateKey, message: bytes) -> bytes:
        return private.sign(message)

    def dsa_verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        try:
            MLDSA65PublicKey.from_public_bytes(public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True
