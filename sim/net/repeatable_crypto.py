"""Real ciphers, whose keys come from the seeds of a run and from nothing else."""

import hashlib

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey

from mycelium.crypto.primitives import KEM_CIPHERTEXT_BYTES, RealPrimitives
from mycelium.identity import blake2b


class RepeatablePrimitives(RealPrimitives):
    """The real primitives with a stand-in for ML-KEM's encapsulation, which draws its own randomness.

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


def _shared(public: bytes, ciphertext: bytes) -> bytes:
    return blake2b(public + ciphertext, size=32)
