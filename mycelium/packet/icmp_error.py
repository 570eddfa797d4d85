"""ICMP and ICMPv6 errors which report that a UDP datagram is undeliverable (RFC 792, RFC 4443).

They can be forged, so they are only a reason to probe.
"""

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

ICMP_UNREACHABLE: Final = 3
ICMPV6_UNREACHABLE: Final = 1
ICMP_HEADER_BYTES: Final = 8
FRAGMENTATION_NEEDED: Final = 4  # ICMP code; handled by path MTU discovery

_UDP: Final = 17
_IPV6_HEADER_BYTES: Final = 40
_PORTS: Final = struct.Struct("!HH")


class Refused(NamedTuple):
    """The addressing of an undeliverable datagram of ours."""

    source_port: int
    host: str  # numeric address of the destination
    port: int


def refused_over_ipv4(packet: bytes) -> Refused | None:
    """Parses an IPv4 packet from a raw socket; returns None unless it is an error of this kind."""
    if not packet:
        return None
    start = (packet[0] & 0xF) * 4
    if (
        len(packet) < start + ICMP_HEADER_BYTES + 20
        or packet[start] != ICMP_UNREACHABLE
        or packet[start + 1] == FRAGMENTATION_NEEDED
    ):
        return None
    quoted = packet[start + ICMP_HEADER_BYTES :]
    ports = (quoted[0] & 0xF) * 4
    if quoted[9] != _UDP or len(quoted) < ports + _PORTS.size:
        return None
    source, destination = _PORTS.unpack_from(quoted, ports)
    return Refused(source, str(IPv4Address(quoted[16:20])), destination)


def refused_over_ipv6(message: bytes) -> Refused | None:
    """Parses an ICMPv6 message from a raw socket; returns None unless it is an error of this kind."""
    quoted = message[ICMP_HEADER_BYTES:]
    if len(quoted) < _IPV6_HEADER_BYTES + _PORTS.size or message[0] != ICMPV6_UNREACHABLE or quoted[6] != _UDP:
        return None
    source, destination = _PORTS.unpack_from(quoted, _IPV6_HEADER_BYTES)
    return Refused(source, str(IPv6Address(quoted[24:40])), destination)
