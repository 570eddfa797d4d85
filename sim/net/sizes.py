"""The encoded length of control messages, computed because simulated engines exchange them as objects."""

from collections.abc import Sequence
from typing import Final

from mycelium.wire.announcement import Announcement, encode_announcement
from mycelium.wire.control import (
    ANY_NODE,
    Digest,
    Item,
    Pin,
    Resume,
    Resumed,
    RouteRequest,
    SeqnoRequest,
    Update,
    encode_item,
)
from mycelium.wire.datagram import FRAME_HEAD, TAG_BYTES
from mycelium.wire.distance import distance
from mycelium.wire.frame import CONTROL_HEADER, FRAME_HEADER
from mycelium.wire.home_record import HOME_RECORD_BYTES

UPDATE_BYTES: Final = len(encode_item(Update(ANY_NODE, distance(0, 0))))
ANNOUNCEMENT_BYTES: Final = len(encode_announcement(Announcement(bytes(32), 0, bytes(8))))
PREFIX_BYTES: Final = 17
DIGEST_BYTES: Final = len(encode_item(Digest(bytes(16), 0)))
OTHER_BYTES: Final = {
    SeqnoRequest: len(encode_item(SeqnoRequest(ANY_NODE, 0, 0))),
    RouteRequest: len(encode_item(RouteRequest(ANY_NODE))),
    Digest: DIGEST_BYTES,
    Resume: len(encode_item(Resume(Digest(bytes(16), 0)))),
    Resumed: len(encode_item(Resumed())),
    Pin: len(encode_item(Pin(ANY_NODE, ANY_NODE, True))),
}

SEGMENT_OVERHEAD: Final = FRAME_HEAD.size + FRAME_HEADER.size + CONTROL_HEADER.size + TAG_BYTES
SEGMENT_ROOM: Final = 1_232 - SEGMENT_OVERHEAD


def items_bytes(items: Sequence[Item]) -> int:
    """Returns the length of encoded control messages."""
    total = UPDATE_BYTES * len(items)
    for item in items:
        if type(item) is not Update:
            total += OTHER_BYTES[type(item)] - UPDATE_BYTES
            if type(item) is Pin and item.record is not None:
                total += HOME_RECORD_BYTES
        elif (announcement := item.announcement) is not None:
            total += ANNOUNCEMENT_BYTES + PREFIX_BYTES * len(announcement.prefixes)
    return total


def batch_bytes(length: int) -> int:
    """Returns the UDP payload, in bytes, of the frames for messages of that length and of their acknowledgements.

    Acknowledgements count as sent by the sender of the messages. One acknowledges up to two segments.
    """
    segments = -(-length // SEGMENT_ROOM)
    return length + (segments + -(-segments // 2)) * SEGMENT_OVERHEAD
