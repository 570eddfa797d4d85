"""Ciphers, key exchange and signatures that are as long as the real ones and take hardly any time.

Nothing is secret, but a wrong key still opens nothing, so that a simulated mesh behaves like a real one.
"""

from typing import Any

from cryptography.exceptions import InvalidTag

from mycelium.crypto.primitives import (
    EXCHANGE_BYTES,
    KEM_CIPHERTEXT_BYTES,
    KEM_PUBLIC_BYTES,
    Aead,
    Buffer,
)
from mycelium.identity import SIGNATURE_BYTES, Identity, blake2b
from mycelium.wire.key_proof import PROOF_KEY_BYTES, PROOF_SIGNATURE_BYTES
from mycelium.wire.statement import Statement, signed_bytes

_TAG_BYTES = 16


class NullAead:
    """Copies the plaintext and appends the first bytes of the key as the tag."""

    __slots__ = ("_tag",)

    def __init__(self, key: bytes) -> None:
        self._tag = key[:_TAG_BYTES]

    def encrypt_into(self, nonce: Buffer, data: Buffer, associated_data: Buffer | None, buf: Any, /) -> int:
        length = len(data)
        if len(buf) != length + _TAG_BYTES:
            raise ValueError("the output has the wrong size")
        buf[:length] = data
        buf[length:] = self._tag
        return length + _TAG_BYTES

    def decrypt_into(self, nonce: Buffer, data: Buffer, associated_data: Buffer | None, buf: Any, /) -> int:
        length = len(data) - _TAG_BYTES
        if len(buf) != length:
            raise ValueError("the output has the wrong size")
        if data[length:] != self._tag:
            raise InvalidTag
        buf[:] = data[:length]
        return length


class NullPrimitives:
    """A key exchange whose shared secret is a hash of both public keys."""

    def __init__(self) -> None:
        self._public_of: dict[bytes, bytes] = {}
        self._encapsulated = 0

    def introduce(self, identity: Identity) -> None:
        """Registers a node's real key pair."""
        self._public_of[identity.exchange_secret] = identity.exchange_public_key

    def aead(self, suite: int, key: bytes) -> Aead:
        return NullAead(key)

    def exchange(self, secret: bytes, public: bytes) -> bytes:
        own = self.public_of(secret)
        return blake2b(min(own, public) + max(own, public), size=EXCHANGE_BYTES)

    def public_of(self, secret: bytes) -> bytes:
        return self._public_of.get(secret) or blake2b(secret, size=EXCHANGE_BYTES)

    def kem_keypair(self, seed: bytes) -> tuple[bytes, bytes]:
        return seed, seed.ljust(KEM_PUBLIC_BYTES, b"\0")

    def kem_encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        self._encapsulated += 1
        secret = blake2b(public + self._encapsulated.to_bytes(8, "big"), size=32)
        return secret, secret.ljust(KEM_CIPHERTEXT_BYTES, b"\0")

    def kem_decapsulate(self, private: Any, ciphertext: bytes) -> bytes:
        return ciphertext[:32]

    def dsa_keypair(self, seed: bytes) -> tuple[bytes, bytes]:
        public = seed.ljust(PROOF_KEY_BYTES, b"\0")
        return public, public

    def dsa_sign(self, private: bytes, message: bytes) -> bytes:
        return _signature(private[:EXCHANGE_BYTES], message).ljust(PROOF_SIGNATURE_BYTES, b"\0")

    def dsa_verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        return signature == self.dsa_sign(public, message)


class NullIdentity(Identity):
    """An identity with real keys and address, whose signatures are hashes that anyone can compute."""

    __slots__ = ()

    def sign(self, message: bytes) -> bytes:
        return _signature(self.signing_public_key, message)

    def verify(self, signing_public_key: bytes, message: bytes, signature: bytes) -> bool:
        return signature == _signature(signing_public_key, message)


def is_null_signed(statement: Statement) -> bool:
    """Tells whether a statement has the signature of a `NullIdentity`."""
    return statement.signature == _signature(statement.signing_public_key, signed_bytes(statement))


def _signature(key: bytes, message: bytes) -> bytes:
    return blake2b(message, size=SIGNATURE_BYTES, key=key)
