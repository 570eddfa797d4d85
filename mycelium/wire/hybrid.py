"""Keys and signatures of Ed25519 and ML-DSA-65 together, the parts of each one behind the other.

key         Ed25519 32 | ML-DSA 1,952
signature   Ed25519 64 | ML-DSA 3,309
"""

from typing import Final

from msgspec import Struct

from mycelium.identity import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, fingerprint_of
from mycelium.wire.key_proof import PROOF_KEY_BYTES, PROOF_SIGNATURE_BYTES

HYBRID_KEY_BYTES: Final = PUBLIC_KEY_BYTES + PROOF_KEY_BYTES
HYBRID_SIGNATURE_BYTES: Final = SIGNATURE_BYTES + PROOF_SIGNATURE_BYTES


class HybridKey(Struct, frozen=True):
    """Two public keys of one signer."""

    signing_key: bytes  # Ed25519
    proof_key: bytes  # ML-DSA

    @property
    def name(self) -> bytes:
        """Returns what stands for it in what it signs: the Ed25519 key and the fingerprint of the other one."""
        return self.signing_key + fingerprint_of(self.proof_key)


def encode_hybrid_key(key: HybridKey) -> bytes:
    """Returns both keys."""
    return key.signing_key + key.proof_key


def as_hybrid_key(data: bytes) -> HybridKey:
    """Returns the keys in HYBRID_KEY_BYTES bytes."""
    return HybridKey(data[:PUBLIC_KEY_BYTES], data[PUBLIC_KEY_BYTES:])
