"""Coalescing before TUN is written: a run of packets of one flow becomes a super-packet, which takes a single system call.

The rules are those of generic receive offload (GRO) in Linux. UDP: packets of equal size, of which the last may be shorter.
TCP: consecutive segments whose headers differ only in sequence number, PSH, length and checksum, without SYN, FIN, RST, URG or
CWR; a segment with PSH, or a shorter one, is the last. A super-packet joins a run as the segments that it represents.

The order within a flow is kept. A complete checksum is verified before the super-packet's replaces it, so that no damaged
packet gets a valid one.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from mycelium.limits import PACKETS_PER_RUN
from mycelium.packet.batch import PARTIAL_CHECKSUM, SUPER_TCP, SUPER_UDP, Delivery
from mycelium.packet.ipv6 import (
    CHECKSUM_OFFSET,
    HEADER_BYTES,
    NEXT_HEADER,
    PAYLOAD_LENGTH,
    PAYLOAD_LENGTH_LIMIT,
    SOURCE,
    TCP,
    TCP_HEADER_BYTES,
    UDP,
    UDP_HEADER_BYTES,
    Buffer,
    has_valid_checksum,
    pseudo_header_sum,
)
from mycelium.packet.offload import TCP_ACK, TCP_DATA_OFFSET, TCP_ECE, TCP_FLAGS, TCP_PSH, UDP_LENGTH
from mycelium.tun.virtio import super_header

_UDP_HEADERS: Final = HEADER_BYTES + UDP_HEADER_BYTES
_TCP_HEADERS: Final = HEADER_BYTES + TCP_HEADER_BYTES
_TCP_DATA_OFFSET: Final = HEADER_BYTES + TCP_DATA_OFFSET
_TCP_FLAGS: Final = HEADER_BYTES + TCP_FLAGS
_MERGED_FLAGS: Final = frozenset({TCP_ACK, TCP_ACK | TCP_ECE})  # PSH aside
_SUPER: Final = {TCP: SUPER_TCP, UDP: SUPER_UDP}

_UNKNOWN: Final = -1  # as room for more: nobody has asked yet
_FLOW: Final = slice(SOURCE, HEADER_BYTES + 4)  # addresses and ports

# version, class and flow label; length; protocol and hop limit; UDP length
_UDP_FIELDS: Final = struct.Struct("!4sH2s36xH")
# version, class and flow label; length; protocol and hop limit; sequence; acknowledgement; data offset; flags; window; urgent
# pointer
_TCP_FIELDS: Final = struct.Struct("!4sH2s36xI4sBB2s2x2s")
_WORD: Final = struct.Struct("!H")


class _Mergeable(NamedTuple):
    """The properties of a packet that decide whether it can be merged."""

    same: tuple[object, ...]  # header fields that are equal in all packets of a run
    sequence: int | None  # of TCP; None for UDP
    payload: int  # offset of the payload
    size: int  # payload bytes in each segment except the last
    pushes: bool


class MergedRun:
    """One write: a packet, and the payloads of later packets of its flow that were merged into it.

    `head` is a fast path for UDP: a packet with these first bytes and the length of the first one is merged without parsing.
    """

    __slots__ = ("_next_sequence", "_segment", "flags", "head", "packet", "payloads", "room", "segment_size")

    def __init__(self, packet: memoryview, flags: int, segment_size: int) -> None:
        self.packet = packet
        self.flags = flags
        self.segment_size = segment_size
        self.payloads: list[memoryview] = []
        self.room = _UNKNOWN  # segments that may still be merged
        self.head = b""

    def open(self, *, merge_udp: bool) -> None:
        """Prepares for later packets, if this one can be merged; called when there is one."""
        self.room = 0
        segment = _segment_of(self.packet, self.flags, self.segment_size)
        if segment is None or segment.pushes or (segment.sequence is None and not merge_udp):
            return
        size = len(self.packet) - segment.payload
        if size % segment.size:
            return
        self._segment = segment
        self._next_sequence = _advance(segment.sequence, size)
        most = min(PACKETS_PER_RUN, (PAYLOAD_LENGTH_LIMIT + HEADER_BYTES - segment.payload) // segment.size)
        self.room = most - size // segment.size
        if segment.sequence is None and self.flags == PARTIAL_CHECKSUM:
            self.head = bytes(self.packet[:_UDP_HEADERS])

    def takes(self, packet: memoryview, flags: int, segment_size: int) -> bool:
        """Merges the next packet of the flow if the rules allow it; tells whether it did."""
        ours, segment = self._segment, _segment_of(packet, flags, segment_size)
        if segment is None or segment.same != ours.same or segment.sequence != self._next_sequence:
            return False
        size = len(packet) - segment.payload
        count = -(-size // ours.size)
        if count > self.room or not (segment.size == ours.size or size <= segment.size < ours.size):
            return False
        if not _is_sound(packet, flags) or not (self.payloads or _is_sound(self.packet, self.flags)):
            return False
        self.payloads.append(packet[segment.payload :])
        self.room = 0 if segment.pushes or size % ours.size else self.room - count
        self._next_sequence = _advance(segment.sequence, size)
        self._segment = ours._replace(pushes=segment.pushes) if segment.pushes else ours
        return True

    def buffers(self) -> list[Buffer]:
        """Returns the buffers for writev, virtio-net header first, once something was merged."""
        packet, segment = self.packet, self._segment
        headers = bytearray(packet[: segment.payload])
        protocol = headers[NEXT_HEADER]
        length = len(packet) - HEADER_BYTES + sum(map(len, self.payloads))
        _WORD.pack_into(headers, PAYLOAD_LENGTH, length)
        if protocol == UDP:
            _WORD.pack_into(headers, HEADER_BYTES + UDP_LENGTH, length)
        elif segment.pushes:
            headers[_TCP_FLAGS] |= TCP_PSH
        partial = pseudo_header_sum(headers[SOURCE:HEADER_BYTES], protocol, length)
        _WORD.pack_into(headers, HEADER_BYTES + CHECKSUM_OFFSET[protocol], partial)
        header = super_header(_SUPER[protocol], HEADER_BYTES, segment.payload, segment.size)
        return [header, headers, packet[segment.payload :], *self.payloads]


def coalesce(deliveries: Sequence[Delivery], *, merge_udp: bool = True) -> list[MergedRun]:
    """Returns the writes that deliver these packets to the kernel, in order."""
    runs: list[MergedRun] = []
    newest: dict[bytes, MergedRun] = {}  # the newest run of each flow; older ones are complete
    for packet, flags, segment_size in deliveries:
        head = bytes(packet[:_UDP_HEADERS])
        flow = head[_FLOW]
        run = newest.get(flow)
        if run is not None and run.room == _UNKNOWN:
            run.open(merge_udp=merge_udp)
        if run is not None and run.room > 0:
            if head == run.head and flags == PARTIAL_CHECKSUM and len(packet) == len(run.packet):
                run.payloads.append(packet[_UDP_HEADERS:])
                run.room -= 1
                continue
            if run.takes(packet, flags, segment_size):
                continue
        newest[flow] = run = MergedRun(packet, flags, segment_size)
        runs.append(run)
    return runs


def _segment_of(packet: memoryview, flags: int, segment_size: int) -> _Mergeable | None:
    """Returns the properties of a packet that can be merged; None for any other."""
    if len(packet) <= _UDP_HEADERS or packet[0] >> 4 != 6:
        return None
    protocol = packet[NEXT_HEADER]
    is_single = not flags & ~PARTIAL_CHECKSUM
    if not is_single and (flags != _SUPER.get(protocol, 0) | PARTIAL_CHECKSUM or not segment_size):
        return None
    if protocol == UDP:
        return _udp_segment(packet, 0 if is_single else segment_size)
    if protocol == TCP and len(packet) > _TCP_HEADERS:
        return _tcp_segment(packet, 0 if is_single else segment_size)
    return None


def _udp_segment(packet: memoryview, segment_size: int) -> _Mergeable | None:
    first, length, last, udp_length = _UDP_FIELDS.unpack_from(packet)
    if not length == udp_length == len(packet) - HEADER_BYTES:
        return None
    return _Mergeable((first, last), None, _UDP_HEADERS, segment_size or len(packet) - _UDP_HEADERS, False)


def _tcp_segment(packet: memoryview, segment_size: int) -> _Mergeable | None:
    payload = HEADER_BYTES + (packet[_TCP_DATA_OFFSET] >> 4 << 2)
    if not _TCP_HEADERS <= payload < len(packet):
        return None
    first, length, last, sequence, ack, data_offset, bits, window, urgent = _TCP_FIELDS.unpack_from(packet)
    flags = bits & ~TCP_PSH
    if length != len(packet) - HEADER_BYTES or flags not in _MERGED_FLAGS:
        return None
    same = first, last, ack, data_offset, flags, window, urgent, bytes(packet[_TCP_HEADERS:payload])
    return _Mergeable(same, sequence, payload, segment_size or len(packet) - payload, bool(bits & TCP_PSH))


def _is_sound(packet: memoryview, flags: int) -> bool:
    return bool(flags & PARTIAL_CHECKSUM) or has_valid_checksum(packet, packet[NEXT_HEADER], HEADER_BYTES)


def _advance(sequence: int | None, size: int) -> int | None:
    return None if sequence is None else sequence + size & 0xFFFF_FFFF
