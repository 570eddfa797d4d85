"""Batches of packets between TUN and the node, without a copy or an object for each packet.

Read from TUN: a `PacketBatch`, one buffer that holds the packets back to back, with room for an item header before each. Once
the headers are filled in, a run of packets for one destination is the plaintext of a train. With those of a train and a frame
before it, which takes what was before, it is the plaintext of a frame.

Written to TUN: a list of `Delivery`, views into the node's buffers that are valid until the node is called again.
"""

from typing import Final

from mycelium.limits import BYTES_PER_BATCH, PACKETS_PER_BATCH

PACKET_CEILING: Final = 66_000  # longest packet that one read of TUN can return, bytes

HEADROOM: Final = 60  # bytes, of the headers of a frame and of a train

# item flags: how segmentation offload treats a packet
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
    """The packets that one wake-up has read from TUN; reused by the next one."""

    __slots__ = ("buffer", "slots", "with_headroom")

    def __init__(self) -> None:
        room = BYTES_PER_BATCH + PACKETS_PER_BATCH * 8 + PACKET_CEILING
        self.with_headroom = memoryview(bytearray(HEADROOM + room))
        self.buffer = self.with_headroom[HEADROOM:]
        self.slots: list[Slot] = []
