"""What the ends of a session tell each other of where they are, if one has no route to the other: homes, and nodes around them.

They are items of data trains.

    0  1  kind: 1 home; 2 answer to that; 3 vicinity; 4 waypoint
    1  1  flags. Home: bit 0 the sender hears nothing of the receiver. Vicinity: bit 0 more entries follow in another item.
          Waypoint: bit 0 the sender has no route to the receiver
    2  2  zeros
    4     home and its answer: the sender's, or answered, home 16; waypoint: node 16; vicinity: entries

Entry of a vicinity:
    0  4  last bytes of a node's address
    4  3  the sender's metric to it, at most 2^24 - 1
"""

import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from msgspec import Struct

from mycelium.errors import DecodeError

MEETING: Final = struct.Struct("!BBxx")
NODE_BYTES: Final = 16
VICINITY_ENTRY: Final = struct.Struct("!4sB2s")
_METRIC_LIMIT: Final = (1 << 24) - 1
_FLAG: Final = 1


class MeetingKind(IntEnum):
    """What an item about meeting is."""

    HOME = 1
    HOME_NOTED = 2
    VICINITY = 3
    WAYPOINT = 4


class Meeting(Struct, frozen=True):
    """Where the sender is at home, that this was noted, which nodes are near it, or at which of them to meet."""

    kind: MeetingKind
    flag: bool = False
    node: bytes = b""
    entries: tuple[tuple[bytes, int], ...] = ()  # tail of an address, metric


def tail_of(node: bytes) -> bytes:
    """Returns what stands for a node in a vicinity."""
    return node[-4:]


def entries_in(room: int) -> int:
    """Returns how many entries an item of so many bytes has room for."""
    return max((room - MEETING.size) // VICINITY_ENTRY.size, 0)


def encode_meeting(meeting: Meeting) -> bytes:
    """Returns the content of an item."""
    return MEETING.pack(meeting.kind, meeting.flag) + meeting.node + b"".join(_packed(meeting.entries))


def _packed(entries: Iterable[tuple[bytes, int]]) -> Iterable[bytes]:
    return (tail + min(metric, _METRIC_LIMIT).to_bytes(3, "big") for tail, metric in entries)


def decode_meeting(data: bytes | memoryview) -> Meeting | None:
    """Returns what an item says, None for an unknown kind; raises DecodeError."""
    if len(data) < MEETING.size:
        raise DecodeError("truncated item about meeting")
    number, flags = MEETING.unpack_from(data)
    if number not in list(MeetingKind):
        return None
    kind, rest = MeetingKind(number), bytes(data[MEETING.size :])
    if kind is MeetingKind.VICINITY:
        if len(rest) % VICINITY_ENTRY.size:
            raise DecodeError("truncated vicinity")
        entries = (
            (tail, high << 16 | int.from_bytes(low, "big")) for tail, high, low in VICINITY_ENTRY.iter_unpack(rest)
        )
        return Meeting(kind, bool(flags & _FLAG), entries=tuple(entries))
    if len(rest) < NODE_BYTES:
        raise DecodeError("truncated item about meeting")
    return Meeting(kind, bool(flags & _FLAG), rest[:NODE_BYTES])
