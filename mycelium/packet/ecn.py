"""Explicit Congestion Notification in the traffic class of a packet (RFC 3168)."""

from typing import Final

from mycelium.packet.batch import Delivery

ECN_MASK: Final = 3  # of a traffic class; 0 is that of senders who do not understand marks; the rest is the DSCP
CONGESTION_EXPERIENCED: Final = 3

_SECOND_BYTE: Final = 1  # low half of the traffic class, high half of the flow label
_CE_THERE: Final = CONGESTION_EXPERIENCED << 4


def mark_congestion(packet: memoryview) -> bool:
    """Marks an IPv6 packet with Congestion Experienced; returns False, and leaves it alone, if its sender wants no marks."""
    if not packet[_SECOND_BYTE] & _CE_THERE:
        return False
    packet[_SECOND_BYTE] |= _CE_THERE
    return True


def mark_deliveries(deliveries: list[Delivery], already: int) -> int:
    """Marks the packets behind the first `already`, and removes those whose sender wants no marks (RFC 6040 section 4.2).

    Returns how many it has removed.
    """
    marked = [one for one in deliveries[already:] if mark_congestion(one[0])]
    removed = len(deliveries) - already - len(marked)
    deliveries[already:] = marked
    return removed
