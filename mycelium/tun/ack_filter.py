"""TCP acknowledgements that a later one, read together with them, says again: they are left out (RFC 3449 section 5.2.2).

A receiver acknowledges each super-packet that it is handed, and acknowledgements are nothing that could be joined. All of one
read reach their sender at once, where each costs a write to TUN and a pass through TCP.

Only what says nothing else gives way: no payload, no flag but ACK, no option but timestamps, all headers equal but for
acknowledgement, timestamps, window and checksum, and the later acknowledgement beyond the earlier one. So SACK, ECN and
keepalives pass, and whatever has a packet of another kind between; so do duplicates and window updates, but for the last
before an acknowledgement of more, which tells that nothing is missing there and has a newer window.
"""

import struct
from typing import Final

from mycelium.packet.batch import Slot
from mycelium.packet.ipv6 import HEADER_BYTES, NEXT_HEADER, TCP, TCP_HEADER_BYTES
from mycelium.packet.offload import TCP_ACK

# with timestamps, aligned as in RFC 7323, appendix A: almost every stack has them
_TCP_BYTES: Final = TCP_HEADER_BYTES + 12
ACK_BYTES: Final = HEADER_BYTES + _TCP_BYTES
NO_SLOT: Final = -1
_KIND: Final = _TCP_BYTES // 4 << 12 | TCP_ACK  # data offset and flags
_TIMESTAMPS: Final = 0x0101_080A  # two no-operations, kind and length
_HALF: Final = 1 << 31
_MASK: Final = (1 << 32) - 1

# headers up to the sequence number; acknowledgement; data offset and flags; what is before the timestamps
_FIELDS: Final = struct.Struct("!48sIH6xI8x")

assert _FIELDS.size == ACK_BYTES


class AckFilter:
    """The newest acknowledgement of each flow of those that are in a row at the end of the batch that is being read."""

    __slots__ = ("_newest", "next_slot")

    def __init__(self) -> None:
        self._newest: dict[bytes, tuple[int, int]] = {}  # by headers: number of the slot, acknowledgement
        self.next_slot = NO_SLOT  # the one behind them; NO_SLOT begins anew

    def replaces(self, buffer: memoryview, start: int, flags: int, slots: list[Slot]) -> bool:
        """Puts the packet of ACK_BYTES at `start` in the place of one that it says again; tells whether there was one.

        Else it is expected in the next slot.
        """
        if len(slots) != self.next_slot:
            self._newest.clear()
        headers, ack, kind, option = _FIELDS.unpack_from(buffer, start)
        if kind != _KIND or option != _TIMESTAMPS or headers[NEXT_HEADER] != TCP:
            return False
        number, before = self._newest.get(headers, (NO_SLOT, ack))
        if not 0 < (ack - before) & _MASK < _HALF:
            self._newest[headers] = len(slots), ack
            self.next_slot = len(slots) + 1
            return False
        self._newest[headers] = number, ack
        first, end, *_ = slots[number]
        buffer[first:end] = buffer[start : start + ACK_BYTES]
        slots[number] = first, end, flags, 0
        return True
