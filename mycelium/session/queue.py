"""The first packets for a node, which wait until a session with it has a keypair."""

from collections import deque
from typing import NamedTuple

from mycelium.channel.byte_budget import ByteBudget
from mycelium.limits import SESSION_QUEUE_BYTES, SESSION_QUEUE_PACKETS


class QueuedPacket(NamedTuple):
    """A copy of a packet, with the flags and the segment size of its item."""

    data: bytes
    flags: int
    segment_size: int


class PacketQueue:
    """The packets of one session, in order; `budget` bounds the bytes queued in all sessions of the node."""

    __slots__ = ("_budget", "_bytes", "_packets")

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._packets: deque[QueuedPacket] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._packets)

    def append(self, packet: memoryview, flags: int, segment_size: int) -> bool:
        """Queues a copy of a packet; returns False, and drops it, if that would exceed a bound."""
        size = len(packet)
        fits = len(self._packets) < SESSION_QUEUE_PACKETS and self._bytes + size <= SESSION_QUEUE_BYTES
        if not fits or not self._budget.has_room(size):
            return False
        self._packets.append(QueuedPacket(bytes(packet), flags, segment_size))
        self._bytes += size
        self._budget.held_bytes += size
        return True

    def take_all(self) -> list[QueuedPacket]:
        """Empties the queue and returns what it held."""
        packets = list(self._packets)
        self._packets.clear()
        self._budget.held_bytes -= self._bytes
        self._bytes = 0
        return packets
