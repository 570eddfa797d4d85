"""ICMP and ICMPv6 errors that say of a UDP datagram that nobody takes it: whose it was, and where to. RFC 792, RFC 4443.

Anybody can make one, so they are good for a question, never for an answer.
"""

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

ICMP_UNREACHABLE: Final = 3
ICMPV6_UNREACHABLE: Final = 1
ICMP_HEADER_BYTES: Final = 8
NOT_A_LOSS: Final = 4  # code of ICMP: too big for the way, which path MTU discovery sees to

_UDP: Final = 17
_IPV6_HEADER_BYTES: Final = 40
_PORTS: Final = struct.Struct("!HH")


class Refused(NamedTuple):
    """A datagram of ours that is said to have reached nobody."""

    source_port: int
    host: str  # numeric
    port: int


def refused_over_ipv4(packet: bytes) -> Refused | None:
    """Reads an IPv4 packet, as a raw socket hands it over; None for any other than the error in question."""
    if not packet:
        return None
    start = (packet[0] & 0xF) * 4
    if (
        len(packet) < start + ICMP_HEADER_BYTES + 20
        or packet[start] != ICMP_UNREACHABLE
        or packet[start + 1] == NOT_A_LOSS
    ):
        return None
    quoted = packet[start + ICMP_HEADER_BYTES :]
    ports = (quoted[0] & 0xF) * 4
    if quoted[9] != _UDP or len(quoted) < ports + _PORTS.size:
        return None
    source, destination = _PORTS.unpack_from(quoted, ports)
    return Refused(source, str(IPv4Address(quoted[16:20])), destination)


def refused_over_ipv6(message: bytes) -> Refused | None:
    """Reads an ICMPv6 message, as a raw socket hands it over; None for any other than the error in question."""
    quoted = message[ICMP_HEADER_BYTES:]
    if len(quoted) < _IPV6_HEADER_BYTES + _PORTS.size or message[0] != ICMPV6_UNREACHABLE or quoted[6] != _UDP:
        return None
    source, destination = _PORTS.unpack_from(quoted, _IPV6_HEADER_BYTES)
    return Refused(source, str(IPv6Address(quoted[24:40])), destination)
