"""Congestion marks of received datagrams (RFC 3168), as the kernel tells of them.

Inside UdpTransport a mark is part of the source, in the field of an endpoint that UDP has no use for: so marked datagrams and
others are kept apart like those of two senders.
"""

import socket
import sys
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.packet.ecn import CONGESTION_EXPERIENCED, ECN_MASK

CLASS_KINDS: Final = (socket.IP_TOS, socket.IPV6_TCLASS)  # types of control messages; none of PKTINFO or GRO has them
MARKED: Final = "congested"
_LOW_BYTE: Final = 0 if sys.byteorder == "little" else -1  # of a traffic class: one byte with IPv4, an int with IPv6


def has_mark(traffic_class: bytes) -> bool:
    """Tells whether the traffic class of a control message is one with Congestion Experienced."""
    return traffic_class[_LOW_BYTE] & ECN_MASK == CONGESTION_EXPERIENCED


def marked(source: Endpoint) -> Endpoint:
    """Returns the source of marked datagrams of an endpoint."""
    return source._replace(site=MARKED)


def unmarked(source: Endpoint) -> Endpoint:
    """Returns the endpoint that datagrams came from, marked or not."""
    return source._replace(site="") if source.site else source
