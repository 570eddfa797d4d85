"""Certificates and lists of removed members, on the wire."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.limits import CONTROL_MESSAGE_BYTES, REMOVAL_PARTS, REMOVED_PER_PART
from mycelium.wire.membership import (
    CERTIFICATE_BYTES,
    MAY_ISSUE,
    MEMBER_DECODERS,
    MEMBER_PROOF,
    Certificate,
    MemberProof,
    Removals,
    decode_chain,
    decode_removals,
    encode_chain,
    encode_member_item,
    encode_removals,
)

TIMES = st.integers(0, (1 << 32) - 1)
CERTIFICATES = st.builds(
    Certificate,
    st.integers(0, 255),
    TIMES,
    TIMES,
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=64, max_size=64),
)
SUBNETS = st.lists(st.binary(min_size=8, max_size=8), max_size=REMOVED_PER_PART).map(tuple)
REMOVALS = st.builds(Removals, st.integers(0, REMOVAL_PARTS - 1), TIMES, SUBNETS, st.binary(min_size=64, max_size=64))


@given(st.lists(CERTIFICATES, min_size=1, max_size=2))
def test_certificates_survive_the_wire(chain: list[Certificate]) -> None:
    assert decode_chain(encode_chain(chain)) == tuple(chain)


@given(REMOVALS)
def test_lists_survive_the_wire(removals: Removals) -> None:
    assert decode_removals(encode_removals(removals)) == removals


@given(st.sampled_from(sorted(MEMBER_DECODERS)), st.binary(max_size=400))
def test_any_bytes_decode_or_raise_one_error(kind: int, data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert encode_member_item(MEMBER_DECODERS[kind](data)) == (kind, data)


@pytest.mark.parametrize("length", [0, 1, CERTIFICATE_BYTES - 1, CERTIFICATE_BYTES + 1, 3 * CERTIFICATE_BYTES])
def test_no_certificate_and_too_many_are_refused(length: int) -> None:
    with pytest.raises(DecodeError):
        decode_chain(bytes(length))


def test_the_longest_part_fits_a_control_message_and_a_longer_one_and_one_too_many_are_refused() -> None:
    full = Removals(REMOVAL_PARTS - 1, 1, (bytes(8),) * REMOVED_PER_PART)
    assert len(encode_removals(full)) <= CONTROL_MESSAGE_BYTES
    with pytest.raises(DecodeError, match="beyond the last"):
        decode_removals(encode_removals(Removals(REMOVAL_PARTS, 1, ())))
    with pytest.raises(DecodeError, match="wrong length"):
        decode_removals(encode_removals(Removals(0, 1, (bytes(8),) * (REMOVED_PER_PART + 1))))


def test_a_flag_says_who_may_issue() -> None:
    assert Certificate(MAY_ISSUE, 0, 0, bytes(32)).may_issue
    assert Certificate(0xFF, 0, 0, bytes(32)).may_issue
    assert not Certificate(0xFE, 0, 0, bytes(32)).may_issue
    assert isinstance(MEMBER_DECODERS[MEMBER_PROOF](bytes(CERTIFICATE_BYTES)), MemberProof)
