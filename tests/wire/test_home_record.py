"""The home record on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mycelium.errors import DecodeError, OtherVersion
from mycelium.identity import Identity, verify_signature
from mycelium.wire.announcement import SEQUENCE_LIMIT
from mycelium.wire.home_record import (
    HOME_RECORD_BYTES,
    NOWHERE,
    NUMBER_LIMIT,
    HomeRecord,
    decode_home_record,
    encode_home_record,
    signed_bytes,
)

RECORDS = st.builds(
    HomeRecord,
    signing_public_key=st.binary(min_size=32, max_size=32),
    sequence=st.integers(0, SEQUENCE_LIMIT - 1),
    number=st.integers(0, NUMBER_LIMIT - 1),
    network_id=st.binary(min_size=8, max_size=8),
    home=st.binary(min_size=16, max_size=16),
    backup=st.binary(min_size=16, max_size=16),
    signature=st.binary(min_size=64, max_size=64),
)
RECORD = HomeRecord(bytes(32), 5, 7, bytes(8), b"h" * 16)


@given(RECORDS)
def test_a_home_record_survives_the_wire(record: HomeRecord) -> None:
    data = encode_home_record(record)
    assert len(data) == HOME_RECORD_BYTES
    assert decode_home_record(data) == record


@given(st.binary(max_size=HOME_RECORD_BYTES + 2))
def test_any_bytes_decode_or_raise_one_error(data: bytes) -> None:
    try:
        decode_home_record(data)
    except DecodeError:
        return
    assert len(data) == HOME_RECORD_BYTES


def test_another_version_is_told_from_garbage() -> None:
    with pytest.raises(OtherVersion):
        decode_home_record(b"\x02" + encode_home_record(RECORD)[1:])


@pytest.mark.parametrize("change", [{"sequence": 6}, {"number": 8}, {"home": b"i" * 16}, {"backup": b"b" * 16}])
def test_the_signature_covers_every_field(change: dict[str, int | bytes]) -> None:
    identity = Identity(bytes(32))
    record = replace(RECORD, signing_public_key=identity.signing_public_key)
    signature = identity.sign(signed_bytes(record))
    assert verify_signature(record.signing_public_key, signed_bytes(record), signature)
    assert not verify_signature(record.signing_public_key, signed_bytes(replace(record, **change)), signature)


def test_the_sequence_comes_before_the_number() -> None:
    assert RECORD.is_newer_than(None)
    assert not RECORD.is_newer_than(RECORD)
    assert replace(RECORD, number=8).is_newer_than(RECORD)
    assert replace(RECORD, sequence=6, number=0).is_newer_than(RECORD)
    assert not replace(RECORD, sequence=4, number=9).is_newer_than(RECORD)


def test_a_backup_home_of_zeros_is_none() -> None:
    assert RECORD.backup == NOWHERE
    assert RECORD.homes == (b"h" * 16,)
    assert replace(RECORD, backup=b"b" * 16).homes == (b"h" * 16, b"b" * 16)
