"""Super-packets: many TCP or UDP packets of one flow that share their headers, as segmentation offload knows them.

A super-packet's length fields and partial checksum cover all of its payload; its segment size says how to cut that. The rules
for the pieces are those of any offload: sequence numbers advance by the payload, PSH and FIN stay with the last, CWR with the
first (RFC 3168 section 6.1.2), a UDP packet each gets its own length.
"""

import struct
from typing import Final

from mycelium.errors import DecodeError
from mycelium.limits import SEGMENTS_PER_SUPER_PACKET
from mycelium.packet.batch import PARTIAL_CHECKSUM, SUPER_CWR, SUPER_MASK, SUPER_TCP, SUPER_UDP
from mycelium.packet.ipv6 import (
    CHECKSUM_OFFSET,
    HEADER_BYTES,
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

TCP_SEQUENCE: Final = 4  # offsets in the transport header
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

_HEADER_BYTES: Final = {TCP: TCP_HEADER_BYTES, UDP: UDP_HEADER_BYTES}  # at least
_WORD: Final = struct.Struct("!H")
_SEQUENCE: Final = struct.Struct("!I")


def transport_layout(packet: Buffer) -> tuple[int, int, int]:
    """Returns the protocol, TCP or UDP, of a packet, where its header begins and where its payload does.

    Raises DecodeError for anything else, and where a length does not agree with the packet.
    """
    size = len(packet)
    if not is_ipv6(packet) or _word(packet, PAYLOAD_LENGTH) != size - HEADER_BYTES:
        raise DecodeError("IPv6 length")
    protocol, offset = upper_layer(packet)
    header_bytes = 0
    if protocol == TCP and offset + TCP_HEADER_BYTES <= size:
        header_bytes = packet[offset + TCP_DATA_OFFSET] >> 4 << 2
    elif protocol == UDP and offset + UDP_HEADER_BYTES <= size and _word(packet, offset + UDP_LENGTH) == size - offset:
        header_bytes = UDP_HEADER_BYTES
    if header_bytes < _HEADER_BYTES.get(protocol, 1) or offset + header_bytes > size:
        raise DecodeError("neither TCP nor UDP, or not all of it")
    return protocol, offset, offset + header_bytes


def super_packet_layout(packet: Buffer, flags: int, segment_size: int) -> tuple[int, int, int]:
    """Returns `transport_layout` of a super-packet; raises DecodeError where item flags and segment size do not fit it."""
    layout = protocol, _, payload = transport_layout(packet)
    if SUPER_PROTOCOL.get(flags & SUPER_MASK) != protocol or not flags & PARTIAL_CHECKSUM:
        raise DecodeError("super-packet flags")
    if not 0 < len(packet) - payload <= segment_size * SEGMENTS_PER_SUPER_PACKET:
        raise DecodeError("super-packet segment size")
    return layout


def _word(packet: Buffer, offset: int) -> int:
    return packet[offset] << 8 | packet[offset + 1]


def split(packet: memoryview, flags: int, segment_size: int, segments: int) -> list[Piece]:
    """Splits a super-packet into such of at most `segments` segments each, or into single packets where that is one.

    The payloads are views of `packet`; the checksums stay partial. Raises DecodeError for what is no super-packet.
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
    # the partial checksum is adjusted, not made anew: behind a routing header it stands for another destination than the
    # IPv6 header's (RFC 8200 section 8.1)
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


def complete_checksum(packet: memoryview) -> None:
    """Turns the partial checksum of a TCP or UDP packet into a full one, in place; raises DecodeError for other packets."""
    protocol, offset, _ = transport_layout(packet)
    complete_checksum_at(packet, offset, CHECKSUM_OFFSET[protocol])


def complete_checksum_at(packet: memoryview, start: int, field: int) -> None:
    """Sums `packet` from `start` to its end, the partial checksum at `start + field` included, and stores the complement.

    A zero becomes all ones, which is the same number and the only form UDP allows.
    """
    value = 0xFFFF - fold(ones_complement_sum(packet[start:]) or 0xFFFF)
    _WORD.pack_into(packet, start + field, value or 0xFFFF)
