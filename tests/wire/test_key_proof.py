"""Frames about proofs: every value comes back as it went, and any bytes decode or raise DecodeError."""

import pytest

from mycelium.errors import DecodeError
from mycelium.wire.key_proof import (
    PROOF_BYTES,
    PROOF_PART_BYTES,
    PROOF_PARTS,
    KeyProofItem,
    ProofAccepted,
    ProofPart,
    ProofWanted,
    decode_key_proof,
    encode_key_proof,
    part_range,
)

LAST = PROOF_PARTS - 1


@pytest.mark.parametrize(
    "item",
    [
        ProofWanted(bytes(range(16)), 0b101),
        ProofPart(0, bytes(range(240)) * 2),
        ProofPart(LAST, bytes(PROOF_BYTES - LAST * PROOF_PART_BYTES)),
        ProofAccepted(),
    ],
)
def test_every_value_comes_back(item: KeyProofItem) -> None:
    assert decode_key_proof(encode_key_proof(item)) == item


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        bytes((4,)) + bytes(600),
        encode_key_proof(ProofWanted(bytes(16)))[:-1],
        encode_key_proof(ProofPart(0, bytes(PROOF_PART_BYTES)))[:-1],
        encode_key_proof(ProofPart(0, bytes(PROOF_PART_BYTES))) + b"\0",
        encode_key_proof(ProofPart(LAST, bytes(PROOF_PART_BYTES))),
        encode_key_proof(ProofPart(PROOF_PARTS, b"")),
        b"\2",
    ],
)
def test_what_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_key_proof(body)


def test_parts_are_all_of_a_proof() -> None:
    proof = bytes(range(256)) * 21
    assert b"".join(proof[part_range(number)] for number in range(PROOF_PARTS)) == proof[:PROOF_BYTES]
