"""A model of what Linux does with packets at a TUN device: one packet at a time, and super-packets by scapy's arithmetic.

It shares no code with the packets' way through the node: `cut` is written after tcp_gso_segment and __udp_gso_segment.
"""

import struct
from dataclasses import dataclass

from scapy.utils import checksum

VIRTIO = struct.Struct("=BBHHHH")
NEEDS_CHECKSUM, GSO_TCP, GSO_UDP, GSO_ECN = 1, 4, 5, 0x80
TCP, UDP = 6, 17
FIN_PSH, CWR = 0x09, 0x80
MOST_UDP_SEGMENTS = 128


@dataclass(frozen=True)
class Written:
    """A packet as it crosses the descriptor of a TUN device, with its virtio-net header."""

    header: bytes
    packet: bytes


def plain(packet: bytes) -> Written:
    """Returns a packet without offloads."""
    return Written(VIRTIO.pack(0, 0, 0, 0, 0, 0), packet)


def partial(packet: bytes, offset: int, place: int, *, final: bytes = b"") -> bytes:
    """Puts the sum of the pseudo-header into the checksum field; `final` is the destination if a routing header has it."""
    protocol = TCP if place == 16 else UDP
    words = packet[8:24] + (final or packet[24:40]) + struct.pack("!II", len(packet) - offset, protocol)
    return packet[: offset + place] + _word(~checksum(words)) + packet[offset + place + 2 :]


def offloaded(packet: bytes, offset: int, place: int, size: int = 0) -> Written:
    """Returns a packet whose checksum is left to the device, a super-packet if it has a segment size."""
    if not size:
        return Written(VIRTIO.pack(NEEDS_CHECKSUM, 0, 0, 0, offset, place), packet)
    kind = GSO_TCP if place == 16 else GSO_UDP
    if kind == GSO_TCP and packet[offset + 13] & CWR:
        kind |= GSO_ECN
    return Written(VIRTIO.pack(NEEDS_CHECKSUM, kind, _payload(packet, offset, place), size, offset, place), packet)


def cut(written: Written) -> list[bytes]:
    """Returns the packets that leave a device for the wire, or reach the stack of a host that merges nothing."""
    flags, kind, _, size, offset, place = VIRTIO.unpack(written.header)
    packet = written.packet
    assert flags in (0, NEEDS_CHECKSUM)
    if not flags:
        assert not kind
        return [packet]
    if not kind & ~GSO_ECN:
        return [_complete(packet, offset, place)]
    _check_super(packet, kind, size, offset, place)
    start = _payload(packet, offset, place)
    payload = packet[start:]
    return [
        _complete(_segment(packet[:start], offset, place, at, payload), offset, place)
        for at in [(first, min(first + size, len(payload))) for first in range(0, len(payload), size)]
    ]


def _segment(head: bytes, offset: int, place: int, at: tuple[int, int], payload: bytes) -> bytes:
    first, end = at
    made = bytearray(head)
    shorter = len(payload) - (end - first)
    made[4:6] = _word(int.from_bytes(made[4:6], "big") - shorter)
    made[offset + place : offset + place + 2] = _subtract(made[offset + place : offset + place + 2], shorter)
    if place == 6:
        made[offset + 4 : offset + 6] = _word(int.from_bytes(made[offset + 4 : offset + 6], "big") - shorter)
    else:
        sequence = int.from_bytes(made[offset + 4 : offset + 8], "big") + first
        made[offset + 4 : offset + 8] = (sequence & 0xFFFF_FFFF).to_bytes(4, "big")
        if end < len(payload):
            made[offset + 13] &= ~FIN_PSH
        if first:
            made[offset + 13] &= ~CWR
    return bytes(made) + payload[first:end]


def _check_super(packet: bytes, kind: int, size: int, offset: int, place: int) -> None:
    """Asserts what Linux, or hardware behind it, relies on."""
    start = _payload(packet, offset, place)
    assert (kind & ~GSO_ECN, place) in ((GSO_TCP, 16), (GSO_UDP, 6))
    assert int.from_bytes(packet[4:6], "big") == len(packet) - 40
    assert size > 0
    assert start < len(packet)
    assert bool(kind & GSO_ECN) is (place == 16 and bool(packet[offset + 13] & CWR))
    if kind == GSO_UDP:
        assert int.from_bytes(packet[offset + 4 : offset + 6], "big") == len(packet) - offset
        assert -(-(len(packet) - start) // size) <= MOST_UDP_SEGMENTS


def _payload(packet: bytes, offset: int, place: int) -> int:
    return offset + (8 if place == 6 else packet[offset + 12] >> 4 << 2)


def _complete(packet: bytes, offset: int, place: int) -> bytes:
    return packet[: offset + place] + _word(checksum(packet[offset:]) or 0xFFFF) + packet[offset + place + 2 :]


def _subtract(field: bytes | bytearray, value: int) -> bytes:
    total = int.from_bytes(field, "big") + (~value & 0xFFFF)
    return _word((total & 0xFFFF) + (total >> 16))


def _word(value: int) -> bytes:
    return (value & 0xFFFF).to_bytes(2, "big")
