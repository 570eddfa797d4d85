"""The parts of IPv6 and ICMPv6 that a node needs: finding the upper layer, checksums, and the errors that routers send.

RFC 8200 for the packet, RFC 1071 for the checksum, RFC 4443 for ICMPv6.
"""

import struct
from typing import Final

from mycelium.errors import DecodeError
from mycelium.limits import HOP_LIMIT

Buffer = bytes | bytearray | memoryview

HEADER_BYTES: Final = 40
MINIMUM_MTU: Final = 1_280
PAYLOAD_LENGTH_LIMIT: Final = 0xFFFF  # largest value of the length field; longer packets would be jumbograms

# byte offsets in the IPv6 header
PAYLOAD_LENGTH: Final = 4
NEXT_HEADER: Final = 6
SOURCE: Final = 8
DESTINATION: Final = 24

# next header values
TCP: Final = 6
UDP: Final = 17
ICMPV6: Final = 58
ROUTING: Final = 43
FRAGMENT: Final = 44
_AUTHENTICATION: Final = 51
EXTENSIONS: Final = frozenset({0, ROUTING, FRAGMENT, _AUTHENTICATION, 60, 135, 139, 140})
_EXTENSIONS_WALKED: Final = 8  # extension headers parsed in one packet; hosts do not send more, and each costs time

UDP_HEADER_BYTES: Final = 8
TCP_HEADER_BYTES: Final = 20
CHECKSUM_OFFSET: Final = {TCP: 16, UDP: 6}  # in the transport header

# ICMPv6 type and code
IcmpKind = tuple[int, int]
NO_ROUTE: Final[IcmpKind] = (1, 0)
ADMIN_PROHIBITED: Final[IcmpKind] = (1, 1)
ADDRESS_UNREACHABLE: Final[IcmpKind] = (1, 3)
SOURCE_POLICY: Final[IcmpKind] = (1, 5)
PACKET_TOO_BIG: Final[IcmpKind] = (2, 0)
HOP_LIMIT_EXCEEDED: Final[IcmpKind] = (3, 0)
ECHO_REQUEST: Final[IcmpKind] = (128, 0)
ECHO_REPLY: Final[IcmpKind] = (129, 0)
_FIRST_INFORMATIONAL: Final = 128
_REDIRECT: Final = 137

_HEADER: Final = struct.Struct("!IHBB16s16s")
_ICMP: Final = struct.Struct("!BBHI")
_VERSION: Final = 6 << 28
_QUOTED_BYTES: Final = MINIMUM_MTU - HEADER_BYTES - _ICMP.size


def is_ipv6(packet: Buffer) -> bool:
    """Tells whether `packet` starts with a complete IPv6 header."""
    return len(packet) >= HEADER_BYTES and packet[0] >> 4 == 6


def source_of(packet: Buffer) -> bytes:
    """Returns the source address, 16 bytes."""
    return bytes(packet[SOURCE:DESTINATION])


def destination_of(packet: Buffer) -> bytes:
    """Returns the destination address, 16 bytes."""
    return bytes(packet[DESTINATION:HEADER_BYTES])


def upper_layer(packet: Buffer) -> tuple[int, int]:
    """Returns the upper-layer protocol, after any extension headers, and its offset.

    For a fragment of a longer packet, returns FRAGMENT and the offset of that header. Raises DecodeError if the headers run
    past the end or are too many.
    """
    if len(packet) < HEADER_BYTES:
        raise DecodeError("shorter than an IPv6 header")
    protocol, offset = packet[NEXT_HEADER], HEADER_BYTES
    if protocol not in EXTENSIONS:
        return protocol, offset
    for _ in range(_EXTENSIONS_WALKED):
        if offset + 8 > len(packet):
            raise DecodeError("extension header runs past the end")
        if protocol == FRAGMENT and _is_part(packet, offset):
            return protocol, offset
        following = packet[offset]
        offset += extension_bytes(protocol, packet[offset + 1])
        protocol = following
        if protocol not in EXTENSIONS:
            if offset > len(packet):
                raise DecodeError("extension header runs past the end")
            return protocol, offset
    raise DecodeError("too many extension headers")


def _is_part(packet: Buffer, offset: int) -> bool:
    """Tells whether the fragment header at `offset` is that of a real fragment, not of an atomic one (RFC 6946)."""
    return (packet[offset + 2] << 8 | packet[offset + 3]) & 0xFFF9 != 0


def extension_bytes(protocol: int, length: int) -> int:
    """Returns the length of an extension header with this number in its length field."""
    if protocol == FRAGMENT:
        return 8
    if protocol == _AUTHENTICATION:
        return (length + 2) * 4
    return (length + 1) * 8


def ones_complement_sum(data: Buffer) -> int:
    """Returns the ones' complement sum of the 16-bit words of `data`, zero-padded to an even length, modulo 0xFFFF.

    As 2^16 is 1 modulo 0xFFFF, `data` as a single integer has the same remainder as the sum of its words.
    """
    total = int.from_bytes(data, "big")
    return (total << 8 if len(data) & 1 else total) % 0xFFFF


def fold(total: int) -> int:
    """Adds the carries of a positive sum of 16-bit words back to it; returns 1 to 0xFFFF."""
    return (total - 1) % 0xFFFF + 1


def pseudo_header_sum(addresses: Buffer, protocol: int, length: int) -> int:
    """Returns the value of a partial checksum field: the sum of both addresses (32 bytes), `protocol` and `length`."""
    return fold(ones_complement_sum(addresses) + protocol + length)


def checksum(addresses: Buffer, protocol: int, data: Buffer) -> int:
    """Returns the checksum of upper-layer `data`, whose own checksum field is zero (RFC 8200 section 8.1)."""
    value = 0xFFFF - fold(pseudo_header_sum(addresses, protocol, len(data)) + ones_complement_sum(data))
    return 0xFFFF if value == 0 and protocol == UDP else value


def has_valid_checksum(packet: Buffer, protocol: int, offset: int) -> bool:
    """Tells whether the checksum of the upper layer at `offset` is correct."""
    pseudo_header = pseudo_header_sum(packet[SOURCE:HEADER_BYTES], protocol, len(packet) - offset)
    return fold(pseudo_header + ones_complement_sum(packet[offset:])) == 0xFFFF


def icmpv6_error(kind: IcmpKind, source: bytes, destination: bytes, invoking: Buffer, mtu: int = 0) -> bytes:
    """Returns an ICMPv6 error packet from `source` to `destination` that quotes `invoking`, at most 1,280 bytes long.

    `mtu` is for PACKET_TOO_BIG. Only packets that `may_answer` accepts may be answered.
    """
    return _icmpv6(kind, source, destination, mtu, bytes(invoking[:_QUOTED_BYTES]))


def echo_request(source: bytes, destination: bytes, identifier: int, sequence: int, data: bytes = b"") -> bytes:
    """Returns an ICMPv6 echo request packet."""
    return _icmpv6(ECHO_REQUEST, source, destination, identifier << 16 | sequence, data)


def echo_reply(source: bytes, destination: bytes, identifier: int, sequence: int, data: bytes = b"") -> bytes:
    """Returns an ICMPv6 echo reply packet."""
    return _icmpv6(ECHO_REPLY, source, destination, identifier << 16 | sequence, data)


def _icmpv6(kind: IcmpKind, source: bytes, destination: bytes, word: int, data: bytes) -> bytes:
    code = checksum(source + destination, ICMPV6, _ICMP.pack(*kind, 0, word) + data)
    header = _HEADER.pack(_VERSION, _ICMP.size + len(data), ICMPV6, HOP_LIMIT, source, destination)
    return header + _ICMP.pack(*kind, code, word) + data


def may_answer(invoking: Buffer) -> bool:
    """Tells whether an ICMPv6 error may be sent in response to this packet (RFC 4443 section 2.4 (e)).

    It may not if the packet is an error or redirect itself, or possibly a later fragment of one, if it was sent to a multicast
    address, or if its source is unspecified or a multicast address.
    """
    if not is_ipv6(invoking) or invoking[DESTINATION] == 0xFF or invoking[SOURCE] == 0xFF:
        return False
    if not any(invoking[SOURCE:DESTINATION]):
        return False
    try:
        protocol, offset = upper_layer(invoking)
    except DecodeError:
        return False
    if protocol == FRAGMENT:
        if invoking[offset] != ICMPV6:
            return True
        if (invoking[offset + 2] << 8 | invoking[offset + 3]) & 0xFFF8:
            return False
        offset += 8
    elif protocol != ICMPV6:
        return True
    return offset < len(invoking) and invoking[offset] >= _FIRST_INFORMATIONAL and invoking[offset] != _REDIRECT
