"""Certificates and lists of removed members, on the wire."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.identity import FINGERPRINT_BYTES
from mycelium.limits import CONTROL_MESSAGE_BYTES, REMOVAL_PARTS, REMOVED_PER_PART
from mycelium.wire.control import decode_items, encode_item
from mycelium.wire.hybrid import HYBRID_KEY_BYTES, HYBRID_SIGNATURE_BYTES, HybridKey
from mycelium.wire.key_proof import PROOF_KEY_BYTES
from mycelium.wire.membership import (
    CERTIFICATE_BYTES,
    CHAIN_BYTES,
    MAY_ISSUE,
    MEMBER_DECODERS,
    MEMBER_PROOF,
    STATEMENT_BYTES,
    Certificate,
    Chain,
    Credentials,
    MemberPiece,
    Removals,
    decode_chain,
    decode_credentials,
    decode_removals,
    decode_statement,
    encode_chain,
    encode_credentials,
    encode_piece,
    encode_removals,
    pieces_of,
)


def filled(size: int) -> st.SearchStrategy[bytes]:
    """Returns a strategy for so many bytes, the first of which differ: all would be too many for an example."""
    return st.binary(max_size=8).map(lambda some: some.ljust(size, b"x"))


SIGNATURES = filled(HYBRID_SIGNATURE_BYTES)
TIMES = st.integers(0, (1 << 32) - 1)
CERTIFICATES = st.builds(
    Certificate,
    st.integers(0, 255),
    TIMES,
    TIMES,
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=FINGERPRINT_BYTES, max_size=FINGERPRINT_BYTES),
    SIGNATURES,
)
CHAINS = st.builds(Chain, CERTIFICATES) | st.builds(Chain, CERTIFICATES, CERTIFICATES, filled(PROOF_KEY_BYTES))
SUBNETS = st.lists(st.binary(min_size=8, max_size=8), max_size=REMOVED_PER_PART).map(tuple)
REMOVALS = st.builds(Removals, st.integers(0, REMOVAL_PARTS - 1), TIMES, SUBNETS, SIGNATURES)


@given(CHAINS)
def test_certificates_survive_the_wire(chain: Chain) -> None:
    assert decode_chain(encode_chain(chain)) == chain
    credentials = Credentials(HybridKey(b"e" * 32, b"d" * PROOF_KEY_BYTES), chain)
    assert decode_credentials(encode_credentials(credentials)) == credentials


@given(REMOVALS)
def test_lists_survive_the_wire(removals: Removals) -> None:
    assert decode_removals(encode_removals(removals)) == removals


@given(st.sampled_from(sorted(MEMBER_DECODERS)), st.binary(max_size=400))
def test_any_bytes_decode_or_raise_one_error(kind: int, data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert encode_piece(MEMBER_DECODERS[kind](data)) == (kind, data)


@given(CHAINS | REMOVALS)
def test_statements_survive_in_pieces_that_control_messages_carry(statement: Chain | Removals) -> None:
    pieces = pieces_of(statement)
    sent = [encode_item(piece) for piece in pieces]
    assert max(map(len, sent)) <= 3 + CONTROL_MESSAGE_BYTES
    assert decode_items(b"".join(sent)) == pieces
    assert decode_statement(pieces[0].kind, b"".join(piece.data for piece in pieces)) == statement


@pytest.mark.parametrize(
    "piece",
    [
        MemberPiece(MEMBER_PROOF, 0, STATEMENT_BYTES + 1, b"x"),
        MemberPiece(MEMBER_PROOF, 5, 5, b"x"),
        MemberPiece(MEMBER_PROOF, 0, 5, b""),
    ],
)
def test_a_piece_of_what_is_too_long_beyond_the_end_or_empty_is_refused(piece: MemberPiece) -> None:
    with pytest.raises(DecodeError, match="wrong length"):
        decode_items(encode_item(piece))
    assert decode_items(encode_item(MemberPiece(MEMBER_PROOF, STATEMENT_BYTES - 1, STATEMENT_BYTES, b"x")))


@pytest.mark.parametrize(
    "length", [0, 1, CERTIFICATE_BYTES - 1, CERTIFICATE_BYTES + 1, 2 * CERTIFICATE_BYTES, CHAIN_BYTES + 1]
)
def test_no_certificate_and_too_many_are_refused(length: int) -> None:
    with pytest.raises(DecodeError):
        decode_chain(bytes(length))
    with pytest.raises(DecodeError):
        decode_credentials(bytes(HYBRID_KEY_BYTES + length))


def test_a_part_that_is_too_long_and_one_too_many_are_refused() -> None:
    full = Removals(REMOVAL_PARTS - 1, 1, (bytes(8),) * REMOVED_PER_PART)
    assert decode_removals(encode_removals(full)) == full
    with pytest.raises(DecodeError, match="beyond the last"):
        decode_removals(encode_removals(Removals(REMOVAL_PARTS, 1, ())))
    with pytest.raises(DecodeError, match="wrong length"):
        decode_removals(encode_removals(Removals(0, 1, (bytes(8),) * (REMOVED_PER_PART + 1))))


def test_a_flag_says_who_may_issue() -> None:
    assert Certificate(MAY_ISSUE, 0, 0, bytes(32)).may_issue
    assert Certificate(0xFF, 0, 0, bytes(32)).may_issue
    assert not Certificate(0xFE, 0, 0, bytes(32)).may_issue


def test_zeros_stand_for_no_fingerprint() -> None:
    assert Certificate(0, 0, 0, bytes(32)).fingerprint is None
    assert Certificate(0, 0, 0, bytes(32), b"f" * 16).fingerprint == b"f" * 16
