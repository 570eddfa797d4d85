"""Packets on their way between TUN and the node, without a copy or an object each.

Read from TUN: `PacketBatch`, one buffer with the packets back to back, `ITEM_HEADER_BYTES` of room before each, so that a
run of packets for one destination, once its item heads are filled in, is the plaintext of a train as it stands.

Written to TUN: a list of `Delivery`, views into the node's buffers that hold until the node is called again.
"""

from typing import Final

from mycelium.limits import BYTES_PER_BATCH, PACKETS_PER_BATCH

PACKET_CEILING: Final = 66_000  # bytes that one read of TUN can bring

# what a packet is to segmentation offload: item flags
SUPER_TCP: Final = 0x01
SUPER_UDP: Final = 0x02
SUPER_MASK: Final = 0x03
PARTIAL_CHECKSUM: Final = 0x04
SUPER_CWR: Final = 0x08

# start and end of the packet in the buffer, item flags (`wire.train`: SUPER_*, PARTIAL_CHECKSUM, SUPER_CWR), segment size
Slot = tuple[int, int, int, int]

# the packet, item flags, segment size
Delivery = tuple[memoryview, int, int]


class PacketBatch:
    """What one wake-up read from TUN; reused for the next."""

    __slots__ = ("buffer", "slots")

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(BYTES_PER_BATCH + PACKETS_PER_BATCH * 8 + PACKET_CEILING))
        self.slots: list[Slot] = []
