"""A run of packets too long for one train, cut into shorter ones: on a lossy route, a short frame is more likely to arrive."""

from collections.abc import Iterator, Sequence
from typing import Final

from mycelium.packet.batch import HEADROOM, SUPER_MASK, SUPER_TCP, PacketBatch, Slot
from mycelium.packet.offload import split, super_packet_layout
from mycelium.wire.train import ITEM_HEADER, ITEM_HEADER_BYTES

_LABEL: Final = 3  # where a packet has the low byte of its flow label
_HEADROOM: Final = bytes(HEADROOM)

# items behind HEADROOM bytes; low byte of a flow label
Part = tuple[memoryview, int]


def parts_of(batch: PacketBatch, slots: Sequence[Slot], limit: int) -> Iterator[Part]:
    """Yields the items of slots, which lie back to back, as parts of at most `limit` bytes, or one packet.

    The headroom of a part may be what the part before it was.
    """
    label = batch.buffer[slots[0][0] + _LABEL]
    begin = before = slots[0][0] - ITEM_HEADER_BYTES  # of the part that is being put together, and its end so far
    for start, end, flags, segment_size in slots:
        is_cut = end - start + ITEM_HEADER_BYTES > limit and flags & SUPER_MASK
        if before > begin and (is_cut or end - begin > limit):
            yield batch.with_headroom[begin : before + HEADROOM], label
            begin = before
        if is_cut:
            yield from _cut(batch.buffer[start:end], flags, segment_size, limit)
            begin = end
        before = end
    if before > begin:
        yield batch.with_headroom[begin : before + HEADROOM], label


def _cut(packet: memoryview, flags: int, segment_size: int, limit: int) -> Iterator[Part]:
    headers_bytes = super_packet_layout(packet, flags, segment_size)[2]
    room = limit - ITEM_HEADER_BYTES - headers_bytes
    segments = max(1, room // segment_size)
    if flags & SUPER_TCP and 0 < room < segment_size:  # TCP may be cut anywhere, so cut to fit one datagram
        segment_size = room
    for headers, payload, part_flags, part_size in split(packet, flags, segment_size, segments):
        head = ITEM_HEADER.pack(len(headers) + len(payload) << 8 | part_flags, part_size)
        yield memoryview(bytearray().join((_HEADROOM, head, headers, payload))), packet[_LABEL]
