"""ICMP and ICMPv6 errors which report that a UDP datagram is undeliverable (RFC 792, RFC 4443).

They can be forged, so they are only a reason to probe.
"""

import struct
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

ICMP_UNREACHABLE: Final = 3
ICMPV6_UNREACHABLE: Final = 1
ICMP_HEADER_BYTES: Final = 8
FRAGMENTATION_NEEDED: Final = 4  # ICMP code; handled by path MTU discovery

_UDP: Final = 17
_IPV6_HEADER_BYTES: Final = 40
_PORTS: Final = struct.Struct("!HH")


_NO_ROUTE: Final = "no route to it on the way (ICMP network unreachable)"
_NO_HOST: Final = "it does not answer in its network (ICMP host unreachable)"
_NO_PORT: Final = "nothing listens there, or a firewall says so (ICMP port unreachable)"
_PROHIBITED: Final = "a firewall on the way forbids it (ICMP administratively prohibited)"

# by code: RFC 792 and RFC 1812 section 5.2.7.1; RFC 4443 section 3.1
_CAUSES_V4: Final = {0: _NO_ROUTE, 1: _NO_HOST, 3: _NO_PORT, 9: _PROHIBITED, 10: _PROHIBITED, 13: _PROHIBITED}
_CAUSES_V6: Final = {0: _NO_ROUTE, 1: _PROHIBITED, 3: _NO_HOST, 4: _NO_PORT, 5: _PROHIBITED, 6: _PROHIBITED}


class Refused(NamedTuple):
    """The addressing of an undeliverable datagram of ours, and why it is that, for people."""

    source_port: int
    host: str  # numeric address of the destination
    port: int
    cause: str


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
    return Refused(source, str(IPv4Address(quoted[16:20])), destination, _cause(_CAUSES_V4, packet[start + 1]))


def refused_over_ipv6(message: bytes) -> Refused | None:
    """Parses an ICMPv6 message from a raw socket; returns None unless it is an error of this kind."""
    quoted = message[ICMP_HEADER_BYTES:]
    if len(quoted) < _IPV6_HEADER_BYTES + _PORTS.size or message[0] != ICMPV6_UNREACHABLE or quoted[6] != _UDP:
        return None
    source, destination = _PORTS.unpack_from(quoted, _IPV6_HEADER_BYTES)
    return Refused(source, str(IPv6Address(quoted[24:40])), destination, _cause(_CAUSES_V6, message[1]))


def _cause(causes: Mapping[int, str], code: int) -> str:
    return causes.get(code, f"it is unreachable (ICMP unreachable, code {code})")
