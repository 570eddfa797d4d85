"""Signatures of two kinds: both halves count."""

import pytest

from mycelium.crypto.hybrid import hybrid_key, hybrid_sign, verify_hybrid
from mycelium.crypto.key_proof import KeyProver
from mycelium.identity import SIGNATURE_BYTES, Identity
from mycelium.wire.hybrid import HYBRID_KEY_BYTES, HYBRID_SIGNATURE_BYTES, HybridKey, encode_hybrid_key
from tests.crypto.support import ALICE, BOB, PRIMITIVES, flip

SIGNER, OTHER = KeyProver(ALICE, PRIMITIVES), KeyProver(BOB, PRIMITIVES)
MESSAGE = b"message"


def is_valid(signature: bytes, *, key: HybridKey | None = None, message: bytes = MESSAGE) -> bool:
    return verify_hybrid(PRIMITIVES, key or hybrid_key(SIGNER), message, signature)


def test_a_signature_is_the_signers_alone_and_of_one_message() -> None:
    signature = hybrid_sign(SIGNER, MESSAGE)
    assert (len(signature), len(encode_hybrid_key(hybrid_key(SIGNER)))) == (HYBRID_SIGNATURE_BYTES, HYBRID_KEY_BYTES)
    assert is_valid(signature)
    assert not is_valid(signature, key=hybrid_key(OTHER))
    assert not is_valid(signature, message=b"another")


@pytest.mark.parametrize("bit", [0, 8 * SIGNATURE_BYTES - 5, 8 * SIGNATURE_BYTES, 8 * HYBRID_SIGNATURE_BYTES - 1])
def test_a_change_of_either_half_makes_it_worthless(bit: int) -> None:
    assert not is_valid(flip(hybrid_sign(SIGNER, MESSAGE), bit))


def test_half_a_signature_is_none() -> None:
    own, other = hybrid_sign(SIGNER, MESSAGE), hybrid_sign(OTHER, MESSAGE)
    for halves in (
        own[:SIGNATURE_BYTES] + other[SIGNATURE_BYTES:],
        other[:SIGNATURE_BYTES] + own[SIGNATURE_BYTES:],
        own[:SIGNATURE_BYTES],
        own[SIGNATURE_BYTES:],
        b"",
    ):
        assert not is_valid(halves)


def test_a_node_whose_key_was_imported_signs_nothing() -> None:
    imported = KeyProver(Identity.of_exchange_secret(b"i" * 32), PRIMITIVES)
    assert (imported.public_key, imported.fingerprint) == (b"", None)
    with pytest.raises(AssertionError, match="without an ML-DSA key"):
        imported.sign(MESSAGE)
