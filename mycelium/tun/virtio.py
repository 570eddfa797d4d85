"""The virtio-net header before each packet of the TUN device, converted from and to item flags and segment size.

It is never sent on the wire: the receiving node derives its own from the packet, so a hostile packet affects only its flow.
Layout: struct virtio_net_hdr of linux/virtio_net.h, in the byte order of the machine.
"""

import struct
from typing import Final

from mycelium.errors import DecodeError
from mycelium.packet import ipv6
from mycelium.packet.batch import PARTIAL_CHECKSUM, SUPER_CWR, SUPER_MASK, SUPER_TCP, SUPER_UDP
from mycelium.packet.ipv6 import CHECKSUM_OFFSET, TCP, UDP, is_ipv6, upper_layer
from mycelium.packet.offload import (
    SUPER_PROTOCOL,
    TCP_CWR,
    TCP_FLAGS,
    complete_checksum_at,
    super_packet_layout,
    transport_layout,
)

HEADER: Final = struct.Struct("=BBHHHH")  # flags, GSO type, header length, segment size, checksum start and offset
HEADER_BYTES: Final = HEADER.size
NEEDS_CHECKSUM: Final = 1
GSO_TCPV6: Final = 4
GSO_UDP_L4: Final = 5
GSO_ECN: Final = 0x80

PLAIN: Final = bytes(HEADER_BYTES)

_SUPER_OF_GSO: Final = {0: 0, GSO_TCPV6: SUPER_TCP, GSO_UDP_L4: SUPER_UDP}
_GSO_OF_SUPER: Final = {SUPER_TCP: GSO_TCPV6, SUPER_UDP: GSO_UDP_L4}


def item_of(header: bytes | bytearray, packet: memoryview) -> tuple[int, int]:
    """Returns the item flags and segment size of a packet that the kernel passed with `header`.

    A partial checksum other than the packet's own TCP or UDP checksum, such as one inside a tunnel, is completed in place,
    because item flags do not tell its position. Raises DecodeError for an offload that was not enabled.
    """
    flags, gso_type, _, segment_size, start, field = HEADER.unpack(header)
    kind = _SUPER_OF_GSO.get(gso_type & ~GSO_ECN)
    if kind is None:
        raise DecodeError(f"GSO type {gso_type}")
    if flags & NEEDS_CHECKSUM and _is_own_checksum(packet, start, field):
        if not kind:
            return PARTIAL_CHECKSUM, 0
        return kind | PARTIAL_CHECKSUM | (SUPER_CWR if gso_type & GSO_ECN else 0), segment_size
    if kind:
        raise DecodeError("super-packet without its checksum")
    if flags & NEEDS_CHECKSUM:
        if start + field + 2 > len(packet):
            raise DecodeError("checksum field past the end")
        complete_checksum_at(packet, start, field)
    return 0, 0


def _is_own_checksum(packet: memoryview, start: int, field: int) -> bool:
    if start == ipv6.HEADER_BYTES:  # the common case
        return CHECKSUM_OFFSET.get(packet[ipv6.NEXT_HEADER]) == field
    try:
        protocol, offset = upper_layer(packet)
    except DecodeError:
        return False
    return offset == start and CHECKSUM_OFFSET.get(protocol) == field


def header_of(packet: memoryview, flags: int, segment_size: int) -> bytes:
    """Returns the header for a packet with these item flags; raises DecodeError if they do not fit the packet."""
    if not flags:
        if not is_ipv6(packet):
            raise DecodeError("not IPv6")
        return PLAIN
    if not flags & SUPER_MASK:
        if flags != PARTIAL_CHECKSUM:
            raise DecodeError("item flags")
        protocol, offset, _ = transport_layout(packet)
        return partial_checksum_header(protocol, offset)
    protocol, offset, payload = super_packet_layout(packet, flags, segment_size)
    is_cwr = flags & SUPER_MASK == SUPER_TCP and packet[offset + TCP_FLAGS] & TCP_CWR
    return super_header(flags & SUPER_MASK, offset, payload, segment_size, is_cwr=bool(is_cwr))


def partial_checksum_header(protocol: int, offset: int) -> bytes:
    """Returns the header of a single packet with a partial checksum, whose transport header is at `offset`."""
    return HEADER.pack(NEEDS_CHECKSUM, 0, 0, 0, offset, CHECKSUM_OFFSET[protocol])


def super_header(kind: int, offset: int, payload: int, segment_size: int, *, is_cwr: bool = False) -> bytes:
    """Returns the header of a super-packet of `kind` whose transport header is at `offset` and whose payload at `payload`."""
    gso_type = _GSO_OF_SUPER[kind] | (GSO_ECN if is_cwr else 0)
    field = CHECKSUM_OFFSET[SUPER_PROTOCOL[kind]]
    return HEADER.pack(NEEDS_CHECKSUM, gso_type, payload, segment_size, offset, field)


# by protocol: the header with which the kernel passes a single packet as a rule, and its item flags
SINGLES: Final = {
    protocol: (partial_checksum_header(protocol, ipv6.HEADER_BYTES), PARTIAL_CHECKSUM) for protocol in (TCP, UDP)
}
OTHER_SINGLE: Final = PLAIN, 0
