"""The signed origin on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.identity import Identity, verify_signature
from mycelium.limits import NAME_BYTES, PREFIXES_PER_NODE
from mycelium.wire.announcement import (
    KEY_SHARED,
    LANDMARK,
    SEQUENCE_LIMIT,
    SIGNATURE_LABEL,
    Announcement,
    decode_announcement,
    encode_announcement,
    signed_bytes,
)

PREFIXES = st.lists(st.tuples(st.integers(0, 128), st.binary(min_size=16, max_size=16)), max_size=PREFIXES_PER_NODE)
ANNOUNCEMENTS = st.builds(
    Announcement,
    signing_public_key=st.binary(min_size=32, max_size=32),
    sequence=st.integers(0, SEQUENCE_LIMIT - 1),
    network_id=st.binary(min_size=8, max_size=8),
    prefixes=PREFIXES.map(tuple),
    name=st.binary(max_size=NAME_BYTES),
    signature=st.binary(min_size=64, max_size=64),
    flags=st.sampled_from([0, LANDMARK, KEY_SHARED, LANDMARK | KEY_SHARED]),
)


@given(ANNOUNCEMENTS)
def test_an_announcement_survives_the_wire(announcement: Announcement) -> None:
    assert decode_announcement(encode_announcement(announcement)) == announcement


@given(st.binary(max_size=400))
def test_any_bytes_decode_or_raise_one_error(data: bytes) -> None:
    try:
        announcement = decode_announcement(data)
    except DecodeError:
        return
    assert encode_announcement(announcement) == data


@given(ANNOUNCEMENTS, st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_changes_the_announcement_or_is_refused(
    announcement: Announcement, position: int, change: int
) -> None:
    data = bytearray(encode_announcement(announcement))
    data[position % len(data)] ^= change
    try:
        assert decode_announcement(bytes(data)) != announcement
    except DecodeError:
        return


@given(ANNOUNCEMENTS, st.integers(1, 114))
def test_a_truncated_announcement_is_refused(announcement: Announcement, missing: int) -> None:
    with pytest.raises(DecodeError):
        decode_announcement(encode_announcement(announcement)[:-missing])


def test_bytes_behind_the_signature_are_refused() -> None:
    data = encode_announcement(Announcement(bytes(32), 1, bytes(8)))
    with pytest.raises(DecodeError):
        decode_announcement(data + b"\x00")


def test_an_announcement_without_prefixes_has_the_documented_bytes() -> None:
    announcement = Announcement(b"K" * 32, 0x11223344_0102, b"network ", name=b"abc", signature=b"S" * 64)
    data = b"\x01\x03\x00\x00" + b"K" * 32 + b"\x11\x22\x33\x44\x01\x02" + b"network " + b"abc" + b"S" * 64
    assert encode_announcement(announcement) == data


def test_flags_share_a_byte_with_the_length_of_the_name() -> None:
    announcement = Announcement(b"K" * 32, 1, bytes(8), name=b"n" * NAME_BYTES, flags=LANDMARK)
    data = encode_announcement(announcement)
    assert data[1] == 0x80 | NAME_BYTES
    assert decode_announcement(data) == announcement
    assert signed_bytes(announcement) != signed_bytes(Announcement(b"K" * 32, 1, bytes(8), name=b"n" * NAME_BYTES))


def test_an_unknown_version_is_refused() -> None:
    data = encode_announcement(Announcement(bytes(32), 1, bytes(8)))
    with pytest.raises(DecodeError):
        decode_announcement(b"\x02" + data[1:])


def test_too_many_prefixes_are_refused() -> None:
    announcement = Announcement(bytes(32), 1, bytes(8), prefixes=((64, bytes(16)),) * (PREFIXES_PER_NODE + 1))
    with pytest.raises(DecodeError):
        decode_announcement(encode_announcement(announcement))


def test_the_signature_covers_the_label_and_every_field() -> None:
    identity = Identity(bytes(range(32)))
    unsigned = Announcement(identity.signing_public_key, 7, b"network ", ((64, bytes(16)),), b"n")
    announcement = Announcement(
        identity.signing_public_key, 7, b"network ", ((64, bytes(16)),), b"n", identity.sign(signed_bytes(unsigned))
    )
    covered = signed_bytes(announcement)
    assert covered == SIGNATURE_LABEL + encode_announcement(announcement)[:-64]
    assert verify_signature(identity.signing_public_key, covered, announcement.signature)
