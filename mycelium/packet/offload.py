"""Super-packets of segmentation offload: many TCP or UDP packets of one flow that share their headers.

The length fields and the partial checksum of a super-packet cover its whole payload; the segment size says how to cut that. The
usual rules of offloads apply: sequence numbers advance by the payload, PSH and FIN stay with the last packet, CWR with the
first (RFC 3168 section 6.1.2), and each UDP packet gets its own length.
"""

import struct
from typing import Final

from mycelium.errors import DecodeError
from mycelium.limits import SEGMENTS_PER_SUPER_PACKET
from mycelium.packet.batch import PARTIAL_CHECKSUM, SUPER_CWR, SUPER_MASK, SUPER_TCP, SUPER_UDP
from mycelium.packet.ipv6 import (
    CHECKSUM_OFFSET,
    EXTENSIONS,
    HEADER_BYTES,
    NEXT_HEADER,
    PAYLOAD_LENGTH,
    TCP,
    TCP_HEADER_BYTES,
    UDP,
    UDP_HEADER_BYTES,
    Buffer,
    fold,
    is_ipv6,
    ones_complement_sum,
    upper_layer,
)

# offsets in the transport header
TCP_SEQUENCE: Final = 4
TCP_DATA_OFFSET: Final = 12
TCP_FLAGS: Final = 13
UDP_LENGTH: Final = 4

TCP_FIN: Final = 0x01
TCP_PSH: Final = 0x08
TCP_ACK: Final = 0x10
TCP_ECE: Final = 0x40
TCP_CWR: Final = 0x80

SUPER_PROTOCOL: Final = {SUPER_TCP: TCP, SUPER_UDP: UDP}

# headers, payload, item flags, segment size
Piece = tuple[bytearray, memoryview, int, int]

_HEADER_BYTES: Final = {TCP: TCP_HEADER_BYTES, UDP: UDP_HEADER_BYTES}  # without TCP options
_WORD: Final = struct.Struct("!H")
_SEQUENCE: Final = struct.Struct("!I")


def transport_layout(packet: Buffer) -> tuple[int, int, int]:
    """Returns the protocol of a packet, TCP or UDP, and the offsets of its header and of its payload.

    Raises DecodeError for other protocols and for a length that disagrees with the packet.
    """
    size = len(packet)
    if not is_ipv6(packet) or packet[PAYLOAD_LENGTH] << 8 | packet[PAYLOAD_LENGTH + 1] != size - HEADER_BYTES:
        raise DecodeError("IPv6 length")
    protocol, offset = packet[NEXT_HEADER], HEADER_BYTES
    if protocol in EXTENSIONS:
        protocol, offset = upper_layer(packet)
    header_bytes = 0
    if protocol == TCP and offset + TCP_HEADER_BYTES <= size:
        header_bytes = packet[offset + TCP_DATA_OFFSET] >> 4 << 2
    elif protocol == UDP and offset + UDP_HEADER_BYTES <= size and _word(packet, offset + UDP_LENGTH) == size - offset:
        header_bytes = UDP_HEADER_BYTES
    if header_bytes < _HEADER_BYTES.get(protocol, 1) or offset + header_bytes > size:
        raise DecodeError("not a complete TCP or UDP header")
    return protocol, offset, offset + header_bytes


def super_packet_layout(packet: Buffer, flags: int, segment_size: int) -> tuple[int, int, int]:
    """Returns the `transport_layout` of a super-packet; raises DecodeError if item flags and segment size do not fit it."""
    layout = protocol, _, payload = transport_layout(packet)
    if SUPER_PROTOCOL.get(flags & SUPER_MASK) != protocol or not flags & PARTIAL_CHECKSUM:
        raise DecodeError("super-packet flags")
    if not 0 < len(packet) - payload <= segment_size * SEGMENTS_PER_SUPER_PACKET:
        raise DecodeError("super-packet segment size")
    return layout


def _word(packet: Buffer, offset: int) -> int:
    return packet[offset] << 8 | packet[offset + 1]


def split(packet: memoryview, flags: int, segment_size: int, segments: int) -> list[Piece]:
    """Splits a super-packet into smaller ones of at most `segments` segments each; one of a single segment is a plain packet.

    The payloads are views of `packet`; the checksums stay partial. Raises DecodeError if it is not a super-packet.
    """
    protocol, offset, start = super_packet_layout(packet, flags, segment_size)
    pieces: list[Piece] = []
    for position in range(start, len(packet), segments * segment_size):
        payload = packet[position : position + segments * segment_size]
        is_first, is_last = position == start, position + len(payload) == len(packet)
        headers = bytearray(packet[:start])
        _set_lengths(headers, protocol, offset, len(payload) - (len(packet) - start))
        kept = flags if is_first else flags & ~SUPER_CWR
        if protocol == TCP:
            _set_tcp(headers, offset, position - start, is_first=is_first, is_last=is_last)
        if len(payload) > segment_size:
            pieces.append((headers, payload, kept, segment_size))
        else:
            pieces.append((headers, payload, PARTIAL_CHECKSUM, 0))
    return pieces


def _set_lengths(headers: bytearray, protocol: int, offset: int, change: int) -> None:
    # The partial checksum is adjusted instead of recomputed: with a routing header, it covers another destination than that of
    # the IPv6 header (RFC 8200 section 8.1).
    places = [PAYLOAD_LENGTH, offset + UDP_LENGTH] if protocol == UDP else [PAYLOAD_LENGTH]
    for place in places:
        _WORD.pack_into(headers, place, _WORD.unpack_from(headers, place)[0] + change)
    place = offset + CHECKSUM_OFFSET[protocol]
    _WORD.pack_into(headers, place, fold(_WORD.unpack_from(headers, place)[0] + change))


def _set_tcp(headers: bytearray, offset: int, advance: int, *, is_first: bool, is_last: bool) -> None:
    (sequence,) = _SEQUENCE.unpack_from(headers, offset + TCP_SEQUENCE)
    _SEQUENCE.pack_into(headers, offset + TCP_SEQUENCE, sequence + advance & 0xFFFF_FFFF)
    if not is_last:
        headers[offset + TCP_FLAGS] &= ~(TCP_FIN | TCP_PSH)
    if not is_first:
        headers[offset + TCP_FLAGS] &= ~TCP_CWR


def complete_checksum_at(packet: memoryview, start: int, field: int) -> None:
    """Completes the partial checksum at `start + field`, which covers `packet` from `start` to its end.

    A result of zero is stored as all ones: an equal number in ones' complement, and the only one that UDP allows.
    """
    value = 0xFFFF - fold(ones_complement_sum(packet[start:]) or 0xFFFF)
    _WORD.pack_into(packet, start + field, value or 0xFFFF)
