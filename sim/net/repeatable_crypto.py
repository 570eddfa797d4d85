"""Real ciphers, whose keys come from the seeds of a run and from nothing else."""

import hashlib

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey

from mycelium.crypto.primitives import KEM_CIPHERTEXT_BYTES, RealPrimitives
from mycelium.identity import blake2b
from mycelium.wire.key_proof import PROOF_SIGNATURE_BYTES


class RepeatablePrimitives(RealPrimitives):
    """The real primitives with stand-ins for ML-KEM's encapsulation and ML-DSA's signature, which draw their own randomness.

    All keys and tags come from the seed: what a forger guesses in a test is right in every run or in none.
    """

    __slots__ = ()

    def kem_encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        super().kem_encapsulate(public)  # refuses what is no key
        ciphertext = hashlib.shake_256(public).digest(KEM_CIPHERTEXT_BYTES)
        return _shared(public, ciphertext), ciphertext

    def kem_decapsulate(self, private: MLKEM768PrivateKey, ciphertext: bytes) -> bytes:
        super().kem_decapsulate(private, ciphertext)  # refuses a wrong size
        return _shared(private.public_key().public_bytes_raw(), ciphertext)

    def dsa_sign(self, private: MLDSA65PrivateKey, message: bytes) -> bytes:
        return _signature(private.public_key().public_bytes_raw(), message)

    def dsa_verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        return signature == _signature(public, message)


def _signature(public: bytes, message: bytes) -> bytes:
    return hashlib.shake_256(public + message).digest(PROOF_SIGNATURE_BYTES)


def _shared(public: bytes, ciphertext: bytes) -> bytes:
    return blake2b(public + ciphertext, size=32)
