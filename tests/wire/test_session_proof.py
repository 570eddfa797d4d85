"""Trains about proofs: every value comes back as it went, and any bytes decode or raise DecodeError."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.wire.key_proof import PROOF_PARTS, ProofAccepted, ProofPart, ProofWanted
from mycelium.wire.membership import CERTIFICATE_BYTES, CHAIN_BYTES
from mycelium.wire.session_proof import (
    CERTIFICATE_PART_BYTES,
    CertificatePart,
    MemberWanted,
    SessionProofItem,
    certificate_parts,
    decode_session_proof,
    encode_session_proof,
    parts_of,
)

LAST = certificate_parts(CERTIFICATE_BYTES) - 1
LAST_BYTES = CERTIFICATE_BYTES - LAST * CERTIFICATE_PART_BYTES


@pytest.mark.parametrize(
    "item",
    [
        ProofWanted(bytes(range(16)), 0b101),
        ProofPart(0, bytes(480)),
        ProofAccepted(),
        MemberWanted(0b11, 1 << 18),
        CertificatePart(0, CHAIN_BYTES, bytes(range(240)) * 2),
        CertificatePart(LAST, CERTIFICATE_BYTES, bytes(LAST_BYTES)),
    ],
)
def test_every_value_comes_back(item: SessionProofItem) -> None:
    assert decode_session_proof(encode_session_proof(item)) == item


@pytest.mark.parametrize(
    "body",
    [
        b"",
        bytes((4,)) + bytes(5),
        bytes((5, 0)),
        bytes((5, 0)) + CERTIFICATE_BYTES.to_bytes(2, "big") + bytes(479),
        bytes((5, 0)) + CERTIFICATE_BYTES.to_bytes(2, "big") + bytes(481),
        bytes((5, LAST)) + CERTIFICATE_BYTES.to_bytes(2, "big") + bytes(LAST_BYTES + 1),
        bytes((5, LAST + 1)) + CERTIFICATE_BYTES.to_bytes(2, "big"),
        bytes((5, 0)) + (CERTIFICATE_BYTES + 1).to_bytes(2, "big") + bytes(480),
        bytes((6,)) + bytes(600),
    ],
)
def test_what_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_session_proof(body)


@given(st.binary(max_size=600))
def test_any_bytes_decode_or_are_refused(body: bytes) -> None:
    try:
        item = decode_session_proof(body)
    except DecodeError:
        return
    assert body.startswith(encode_session_proof(item))


@pytest.mark.parametrize("size", [CERTIFICATE_BYTES, CHAIN_BYTES])
def test_parts_are_the_whole_and_fit_their_bits(size: int) -> None:
    certificates = bytes(number % 251 for number in range(size))
    parts = list(parts_of(certificates))
    assert b"".join(part.data for part in parts) == certificates
    assert [part.is_last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert len(parts) <= 32
    assert PROOF_PARTS <= 16
