"""Items about where to meet: encoding and decoding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.wire.meeting import (
    MEETING,
    VICINITY_ENTRY,
    Meeting,
    MeetingKind,
    decode_meeting,
    encode_meeting,
    entries_in,
    tail_of,
)

NODES = st.binary(min_size=16, max_size=16)
ENTRIES = st.tuples(st.binary(min_size=4, max_size=4), st.integers(0, (1 << 24) - 1))
MEETINGS = st.one_of(
    st.builds(
        Meeting, st.sampled_from([k for k in MeetingKind if k is not MeetingKind.VICINITY]), st.booleans(), NODES
    ),
    st.builds(
        lambda flag, entries: Meeting(MeetingKind.VICINITY, flag, entries=tuple(entries)),
        st.booleans(),
        st.lists(ENTRIES, max_size=9),
    ),
)


@given(MEETINGS)
def test_items_come_as_they_went(meeting: Meeting) -> None:
    assert decode_meeting(memoryview(encode_meeting(meeting))) == meeting


@given(st.binary(max_size=60))
def test_any_bytes_decode_or_are_an_error(data: bytes) -> None:
    try:
        meeting = decode_meeting(data)
    except DecodeError:
        return
    assert meeting is None or decode_meeting(encode_meeting(meeting)) == meeting


@pytest.mark.parametrize("data", [b"\x01", b"\x01\0\0\0" + bytes(15), b"\x03\0\0\0" + bytes(8)])
def test_what_is_too_short_is_an_error(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_meeting(data)


def test_unknown_kinds_are_skipped() -> None:
    assert decode_meeting(b"\x09\0\0\0" + bytes(16)) is None


def test_a_metric_beyond_three_bytes_is_the_longest() -> None:
    said = decode_meeting(encode_meeting(Meeting(MeetingKind.VICINITY, entries=((b"abcd", 1 << 30),))))
    assert said is not None
    assert said.entries == ((b"abcd", (1 << 24) - 1),)


def test_an_item_has_room_for_so_many_entries() -> None:
    assert (
        entries_in(MEETING.size + 3 * VICINITY_ENTRY.size)
        == entries_in(MEETING.size + 3 * VICINITY_ENTRY.size + 6)
        == 3
    )
    assert entries_in(3) == 0
    assert tail_of(bytes(range(16))) == bytes((12, 13, 14, 15))
