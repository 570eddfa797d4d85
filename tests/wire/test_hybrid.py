"""Keys of two kinds, one behind the other."""

from mycelium.identity import fingerprint_of
from mycelium.wire.hybrid import HYBRID_KEY_BYTES, HybridKey, as_hybrid_key, encode_hybrid_key
from mycelium.wire.key_proof import PROOF_KEY_BYTES

KEY = HybridKey(b"e" * 32, b"d" * PROOF_KEY_BYTES)


def test_a_key_survives_the_wire() -> None:
    assert len(encode_hybrid_key(KEY)) == HYBRID_KEY_BYTES
    assert as_hybrid_key(encode_hybrid_key(KEY)) == KEY


def test_a_key_is_named_by_both_halves() -> None:
    assert KEY.name == b"e" * 32 + fingerprint_of(KEY.proof_key)
