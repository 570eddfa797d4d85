"""Signatures by an Ed25519 and an ML-DSA key together: who can make only one of the two has made nothing."""

from mycelium.crypto.key_proof import KeyProver
from mycelium.crypto.primitives import Primitives
from mycelium.identity import SIGNATURE_BYTES, verify_signature
from mycelium.wire.hybrid import HybridKey


def hybrid_key(prover: KeyProver) -> HybridKey:
    """Returns the public keys of a node that has an ML-DSA key."""
    return HybridKey(prover.identity.signing_public_key, prover.public_key)


def hybrid_sign(prover: KeyProver, message: bytes) -> bytes:
    """Returns the signature of a node that has an ML-DSA key."""
    return prover.identity.sign(message) + prover.sign(message)


def verify_hybrid(primitives: Primitives, key: HybridKey, message: bytes, signature: bytes) -> bool:
    """Tells whether both halves of a signature are valid. The Ed25519 half comes first, as it takes a third of the time."""
    return verify_signature(key.signing_key, message, signature[:SIGNATURE_BYTES]) and primitives.dsa_verify(
        key.proof_key, message, signature[SIGNATURE_BYTES:]
    )
