"""Explicit Congestion Notification in the traffic class of a packet (RFC 3168)."""

from typing import Final

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
