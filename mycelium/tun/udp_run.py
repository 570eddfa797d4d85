"""UDP packets that are read from TUN as one super-packet, as generic receive offload joins those of a network card.

While packets follow one another whose headers are equal, the headers of each are read apart and only its payload behind the
payloads before it. So the rest of the data path, at both ends, handles a run of small packets as one.
"""

import struct
from typing import Final

from mycelium.limits import PACKETS_PER_RUN
from mycelium.packet.batch import PARTIAL_CHECKSUM, SUPER_UDP, Slot
from mycelium.packet.ipv6 import (
    CHECKSUM_OFFSET,
    HEADER_BYTES,
    PAYLOAD_LENGTH,
    PAYLOAD_LENGTH_LIMIT,
    SOURCE,
    UDP,
    UDP_HEADER_BYTES,
    pseudo_header_sum,
)
from mycelium.packet.offload import UDP_LENGTH
from mycelium.tun.virtio import partial_checksum_header

HEADERS_BYTES: Final = HEADER_BYTES + UDP_HEADER_BYTES
HEADER: Final = partial_checksum_header(UDP, HEADER_BYTES)  # the virtio-net header of every packet of a run
# packets that did not fit the run before them, beyond those that did fit, after which a batch begins no more: each costs a copy
MISSES_PER_BATCH: Final = 4

_WORD: Final = struct.Struct("!H")
_LENGTHS: Final = struct.Struct(f"!{PAYLOAD_LENGTH}xH{HEADER_BYTES + UDP_LENGTH - PAYLOAD_LENGTH - 2}xH")


class UdpRun:
    """The run that the newest packet of a batch has begun, while `room` is not 0: so many packets it may still take.

    A packet belongs to it if its virtio-net header is `HEADER`, its size is `size`, and `next_head`, where its headers are read
    to, equals `head`.
    """

    __slots__ = ("_buffer", "_misses", "_most", "_start", "has_begun", "head", "joined", "next_head", "room", "size")

    def __init__(self) -> None:
        self._buffer = memoryview(b"")
        self._misses = MISSES_PER_BATCH - 1
        self._most = 0
        self._start = 0
        self.has_begun = False  # whether the batch has had a packet that might begin a run
        self.head = b""
        self.joined = 0  # packets of the batch beyond the first of each run
        self.next_head = bytearray(HEADERS_BYTES)
        self.room = 0
        self.size = 0

    def restart(self) -> None:
        """Called before the next batch once a packet `has_begun` a run, or might have."""
        self._misses = 0 if self.joined else MISSES_PER_BATCH - 1
        self.room = self.joined = 0
        self.has_begun = False

    def begin(self, buffer: memoryview, start: int, end: int) -> None:
        """Begins a run with the packet at `start`, which came with `HEADER`, if its lengths are true."""
        self.has_begun = True
        size = end - start
        lengths = size - HEADER_BYTES
        if size <= HEADERS_BYTES or _LENGTHS.unpack_from(buffer, start) != (lengths, lengths):
            return
        if self._misses < MISSES_PER_BATCH + self.joined:
            self._buffer, self._start, self.size = buffer, start, size
            self.head = bytes(buffer[start : start + HEADERS_BYTES])
            most = (PAYLOAD_LENGTH_LIMIT - UDP_HEADER_BYTES) // (size - HEADERS_BYTES)
            self.room = self._most = min(most, PACKETS_PER_RUN) - 1

    def close(self) -> Slot:
        """Ends the run; returns the slot of its super-packet, or of its only packet."""
        joined, self.room = self._most - self.room, 0
        buffer, start, payload = self._buffer, self._start, self.size - HEADERS_BYTES
        end = start + self.size + joined * payload
        if not joined:
            return start, end, PARTIAL_CHECKSUM, 0
        self.joined += joined
        length = end - start - HEADER_BYTES
        _WORD.pack_into(buffer, start + PAYLOAD_LENGTH, length)
        _WORD.pack_into(buffer, start + HEADER_BYTES + UDP_LENGTH, length)
        partial = pseudo_header_sum(buffer[start + SOURCE : start + HEADER_BYTES], UDP, length)
        _WORD.pack_into(buffer, start + HEADER_BYTES + CHECKSUM_OFFSET[UDP], partial)
        return start, end, SUPER_UDP | PARTIAL_CHECKSUM, payload

    def part(self, read_at: int, start: int, size: int) -> None:
        """Moves a packet of `size` bytes that is none of the run to `start`: what follows its headers was read to `read_at`."""
        self._misses += 1
        buffer = self._buffer
        if size > HEADERS_BYTES:
            buffer[start + HEADERS_BYTES : start + size] = buffer[read_at : read_at + size - HEADERS_BYTES]
        buffer[start : start + HEADERS_BYTES] = self.next_head
