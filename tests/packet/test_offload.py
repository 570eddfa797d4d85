"""Splitting super-packets: each piece must be what a sender without offload would have sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import IPv6

from mycelium.errors import DecodeError
from mycelium.limits import SEGMENTS_PER_SUPER_PACKET
from mycelium.packet.batch import PARTIAL_CHECKSUM, SUPER_CWR, SUPER_TCP, SUPER_UDP
from mycelium.packet.ipv6 import TCP, UDP, has_valid_checksum
from mycelium.packet.offload import split
from tests.packet.packets import ACK, CWR, FIN, PSH, TIMESTAMPS, tcp_packet, udp_packet
from tests.support.checksums import complete_checksum

TCP_FLAGS = SUPER_TCP | PARTIAL_CHECKSUM
UDP_FLAGS = SUPER_UDP | PARTIAL_CHECKSUM

payloads = st.binary(min_size=1, max_size=400)
segment_sizes = st.integers(1, 90)


def split_whole(packet: bytes, flags: int, segment_size: int, segments: int) -> list[tuple[bytes, int, int]]:
    pieces = split(memoryview(packet), flags, segment_size, segments)
    return [(bytes(headers) + bytes(payload), kept, size) for headers, payload, kept, size in pieces]


def cut(payload: bytes, size: int) -> list[tuple[int, bytes]]:
    return [(start, payload[start : start + size]) for start in range(0, len(payload), size)]


@given(payloads, segment_sizes, st.integers(0, 0xFFFF_FFFF), st.sampled_from([ACK, ACK | PSH, ACK | PSH | FIN]))
def test_tcp_segments_are_those_of_a_sender_without_offload(
    payload: bytes, size: int, sequence: int, flags: int
) -> None:
    packet = tcp_packet(payload, sequence=sequence, flags=flags)
    parts = cut(payload, size)
    expected = [
        tcp_packet(part, sequence=sequence + start, flags=flags if start == parts[-1][0] else ACK)
        for start, part in parts
    ]
    assert [piece for piece, _, _ in split_whole(packet, TCP_FLAGS, size, 1)] == expected


@given(payloads, segment_sizes, st.sampled_from([b"", bytes((17, 0, 1, 4, 0, 0, 0, 0))]))
def test_udp_packets_are_those_of_a_sender_without_offload(payload: bytes, size: int, extension: bytes) -> None:
    packet = udp_packet(payload, extension=extension)
    expected = [(udp_packet(part, extension=extension), PARTIAL_CHECKSUM, 0) for _, part in cut(payload, size)]
    assert split_whole(packet, UDP_FLAGS, size, 1) == expected


@given(payloads, segment_sizes, st.integers(1, 12))
def test_splitting_in_two_steps_is_splitting_at_once(payload: bytes, size: int, segments: int) -> None:
    packet = tcp_packet(payload, flags=ACK | PSH)
    in_steps = []
    for piece, flags, segment_size in split_whole(packet, TCP_FLAGS, size, segments):
        in_steps += split_whole(piece, flags, segment_size, 1) if segment_size else [(piece, flags, 0)]
    assert in_steps == split_whole(packet, TCP_FLAGS, size, 1)


def test_cwr_stays_with_the_first_piece_and_its_item_flag() -> None:
    packet = tcp_packet(bytes(100), flags=ACK | CWR | PSH)
    pieces = split_whole(packet, TCP_FLAGS | SUPER_CWR, 10, 4)
    assert [(piece[53], flags, size) for piece, flags, size in pieces] == [
        (ACK | CWR, TCP_FLAGS | SUPER_CWR, 10),
        (ACK, TCP_FLAGS, 10),
        (ACK | PSH, TCP_FLAGS, 10),
    ]


@given(payloads, segment_sizes)
def test_completed_checksums_are_those_of_scapy(payload: bytes, size: int) -> None:
    for packet, flags, protocol in (
        (tcp_packet(payload), TCP_FLAGS, TCP),
        (udp_packet(payload), UDP_FLAGS, UDP),
    ):
        piece = bytearray(split_whole(packet, flags, size, 1)[-1][0])
        complete_checksum(memoryview(piece))
        assert has_valid_checksum(piece, protocol, 40)
        seen = IPv6(bytes(piece))
        del seen.payload.chksum
        assert bytes(seen) == piece


def test_a_completed_checksum_of_zero_is_sent_as_all_ones() -> None:
    packet = bytearray(udp_packet(bytes(2)))
    complete_checksum(memoryview(packet))
    packet = bytearray(udp_packet(bytes(packet[46:48])))  # the payload cancels the rest
    complete_checksum(memoryview(packet))
    assert packet[46:48] == b"\xff\xff"


@pytest.mark.parametrize(
    ("packet", "flags", "segment_size"),
    [
        (tcp_packet(b"data"), UDP_FLAGS, 2),
        (udp_packet(b"data"), TCP_FLAGS, 2),
        (tcp_packet(b"data"), PARTIAL_CHECKSUM, 2),
        (tcp_packet(b"data"), SUPER_TCP, 2),
        (tcp_packet(b"data"), SUPER_TCP | SUPER_UDP | PARTIAL_CHECKSUM, 2),
        (tcp_packet(b"data"), TCP_FLAGS, 0),
        (tcp_packet(b""), TCP_FLAGS, 2),
        (tcp_packet(b"data")[:-1], TCP_FLAGS, 2),
        (tcp_packet(b"data") + b"x", TCP_FLAGS, 2),
        (udp_packet(b"data" + bytes(4))[:4] + b"\x00\x0c" + udp_packet(b"data" + bytes(4))[6:-4], UDP_FLAGS, 2),
        (tcp_packet(b"", options=b"")[:52] + b"\x40" + tcp_packet(b"", options=b"")[53:], TCP_FLAGS, 2),
        (tcp_packet(b"", options=b"")[:52] + b"\xf0" + tcp_packet(b"", options=b"")[53:], TCP_FLAGS, 2),
        (tcp_packet(bytes(SEGMENTS_PER_SUPER_PACKET + 1)), TCP_FLAGS, 1),
        (b"", TCP_FLAGS, 2),
        (b"\x45" + bytes(60), TCP_FLAGS, 2),
    ],
)
def test_what_is_no_super_packet_is_refused(packet: bytes, flags: int, segment_size: int) -> None:
    with pytest.raises(DecodeError):
        split(memoryview(packet), flags, segment_size, 1)


@given(st.integers(0, 120), st.integers(0, 255), st.integers(0, 15), st.integers(0, 0xFFFF), st.integers(1, 9))
def test_a_flipped_header_byte_is_refused_or_split(
    place: int, value: int, flags: int, size: int, segments: int
) -> None:
    for packet in (
        tcp_packet(bytes(60), options=TIMESTAMPS),
        udp_packet(bytes(60), extension=bytes((17, 0, 1, 4, 0, 0, 0, 0))),
    ):
        broken = bytearray(packet)
        broken[place % len(broken)] = value
        try:
            pieces = split(memoryview(broken), flags, size, segments)
        except DecodeError:
            continue
        assert b"".join(bytes(payload) for _, payload, _, _ in pieces) == broken[len(pieces[0][0]) :]
