"""An in-memory TUN device, for tests and experiments."""

import os
from collections import deque
from collections.abc import Sequence

from mycelium.limits import BYTES_PER_BATCH, PACKETS_PER_BATCH
from mycelium.packet.batch import Delivery, PacketBatch
from mycelium.packet.ipv6 import Buffer, is_ipv6
from mycelium.tun.base import TunCounters
from mycelium.wire.train import ITEM_HEADER_BYTES


class MemoryTun:
    """A TunDevice without a kernel: packets queued by `send` are read, written packets are kept in `written`.

    Its file descriptor is real, and is readable while packets wait.
    """

    __slots__ = ("_event", "_waiting", "counters", "name", "written")

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.counters = TunCounters()
        self.written: list[tuple[bytes, int, int]] = []  # packet, item flags, segment size
        self._waiting: deque[tuple[bytes, int, int]] = deque()
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def send(self, packet: Buffer, flags: int = 0, segment_size: int = 0) -> None:
        """Queues a packet as if a local application had sent it."""
        self._waiting.append((bytes(packet), flags, segment_size))
        if len(self._waiting) == 1:
            os.eventfd_write(self._event, 1)

    def fileno(self) -> int:
        """Returns the descriptor to poll for reading."""
        return self._event

    def close(self) -> None:
        """Closes the descriptor; waiting packets are dropped."""
        self._waiting.clear()
        if self._event >= 0:
            os.close(self._event)
            self._event = -1

    def read_batch(self, batch: PacketBatch) -> int:
        """Moves waiting packets into `batch`; see TunDevice."""
        batch.slots.clear()
        position = reads = 0
        while self._waiting and reads < PACKETS_PER_BATCH and position < BYTES_PER_BATCH:
            packet, flags, segment_size = self._waiting.popleft()
            reads += 1
            if not is_ipv6(packet):
                self.counters.not_ipv6 += 1
                continue
            start = position + ITEM_HEADER_BYTES
            position = start + len(packet)
            batch.buffer[start:position] = packet
            batch.slots.append((start, position, flags, segment_size))
            self.counters.packets_read += 1
            self.counters.bytes_read += len(packet)
        if reads and not self._waiting:
            os.eventfd_read(self._event)
        return len(batch.slots)

    @property
    def is_drained(self) -> bool:
        return not self._waiting

    def write(self, deliveries: Sequence[Delivery]) -> None:
        """Appends copies of packets to `written`, unmerged; see TunDevice."""
        for packet, flags, segment_size in deliveries:
            if not is_ipv6(packet):
                self.counters.malformed += 1
                continue
            self.written.append((bytes(packet), flags, segment_size))
            self.counters.packets_written += 1
            self.counters.bytes_written += len(packet)
