"""What of a packet tells which flow it belongs to: protocol, addresses and ports, found behind extension headers too.

A packet that can't be read so raises DecodeError, and nothing that can't be read passes.
"""

from typing import Final, NamedTuple

from mycelium.errors import DecodeError
from mycelium.packet.ipv6 import (
    DESTINATION,
    ECHO_REPLY,
    ECHO_REQUEST,
    EXTENSIONS,
    FRAGMENT,
    HEADER_BYTES,
    ICMPV6,
    NEXT_HEADER,
    ROUTING,
    SOURCE,
    TCP,
    TCP_HEADER_BYTES,
    UDP,
    UDP_HEADER_BYTES,
    extension_bytes,
    is_ipv6,
    upper_layer,
)

ICMP_HEADER_BYTES: Final = 8
ADDRESS_BYTES: Final = DESTINATION - SOURCE
PORTS_BYTES: Final = 4

_HEADER_BYTES: Final = {TCP: TCP_HEADER_BYTES, UDP: UDP_HEADER_BYTES, ICMPV6: ICMP_HEADER_BYTES}
_ECHOES: Final = (ECHO_REQUEST[0], ECHO_REPLY[0])
_SEGMENTS_LEFT: Final = 3  # byte offset in a routing header
_OFFSET_BITS: Final = 0xFFF8


class Headers(NamedTuple):
    """What a packet is to the policy."""

    protocol: int
    key: bytes  # source, destination, and both ports; of an echo its identifier twice
    offset: int  # of the upper layer's header
    fragment: bytes = b""  # of one: addresses and identification of the packet that it is a part of
    is_later: bool = False  # a fragment without the upper layer's header

    @property
    def port(self) -> int:
        """The destination port; 0 for protocols without ports."""
        return int.from_bytes(self.key[-2:], "big") if self.protocol in (TCP, UDP) else 0


def reversed_key(key: bytes) -> bytes:
    """Returns the key of packets in the other direction."""
    ports = 2 * ADDRESS_BYTES
    return key[ADDRESS_BYTES:ports] + key[:ADDRESS_BYTES] + key[ports + 2 :] + key[ports : ports + 2]


def read_headers(packet: memoryview, *, is_quoted: bool = False) -> Headers:
    """Reads the headers of a packet; raises DecodeError.

    Of one that an ICMPv6 error quotes the first 8 bytes behind the IPv6 headers suffice (RFC 4443 section 2.4).
    """
    if not is_ipv6(packet):
        raise DecodeError("not IPv6")
    protocol, offset = upper_layer(packet)
    if offset != HEADER_BYTES and _is_routed_on(packet, offset):
        raise DecodeError("another destination in a routing header")
    addresses = bytes(packet[SOURCE:HEADER_BYTES])
    fragment = b""
    if protocol == FRAGMENT:
        protocol, fragment = packet[offset], addresses + bytes(packet[offset + 4 : offset + 8])
        if (packet[offset + 2] << 8 | packet[offset + 3]) & _OFFSET_BITS:
            return Headers(protocol, addresses + bytes(PORTS_BYTES), offset, fragment, is_later=True)
        if protocol in EXTENSIONS:  # RFC 7112: the first fragment has all headers
            raise DecodeError("headers that go on in another fragment")
        offset += 8
    least = _HEADER_BYTES.get(protocol, 0)
    if offset + (min(least, ICMP_HEADER_BYTES) if is_quoted else least) > len(packet):
        raise DecodeError("no complete header of the upper layer")
    return Headers(protocol, addresses + _ports(protocol, packet, offset), offset, fragment)


def _is_routed_on(packet: memoryview, end: int) -> bool:
    """Tells whether a routing header has segments left, so that the packet is to go on from its destination (RFC 8200 4.4)."""
    protocol, offset = packet[NEXT_HEADER], HEADER_BYTES
    while offset < end:
        if protocol == ROUTING and packet[offset + _SEGMENTS_LEFT]:
            return True
        protocol, offset = packet[offset], offset + extension_bytes(protocol, packet[offset + 1])
    return False


def _ports(protocol: int, packet: memoryview, offset: int) -> bytes:
    if protocol in (TCP, UDP):
        return bytes(packet[offset : offset + PORTS_BYTES])
    if protocol == ICMPV6 and packet[offset] in _ECHOES:
        return bytes(packet[offset + 4 : offset + 6]) * 2
    return bytes(PORTS_BYTES)
