"""Virtio-net headers: what the kernel says becomes item flags, and item flags become what the kernel may be told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.packet.batch import PARTIAL_CHECKSUM, SUPER_CWR, SUPER_TCP, SUPER_UDP
from mycelium.packet.ipv6 import TCP, UDP, has_valid_checksum
from mycelium.tun.virtio import HEADER, OTHER_SINGLE, PLAIN, SINGLES, header_of, item_of
from tests.packet.packets import ACK, CWR, ipv6_packet, tcp_packet, udp_packet

TCP_FLAGS = SUPER_TCP | PARTIAL_CHECKSUM
UDP_FLAGS = SUPER_UDP | PARTIAL_CHECKSUM
EXTENSION = bytes((UDP, 0, 1, 4, 0, 0, 0, 0))

FITTING = [
    (tcp_packet(b"", partial=False), 0, 0, (0, 0, 0, 0, 0, 0)),
    (tcp_packet(b"data"), PARTIAL_CHECKSUM, 0, (1, 0, 0, 0, 40, 16)),
    (udp_packet(b"data"), PARTIAL_CHECKSUM, 0, (1, 0, 0, 0, 40, 6)),
    (udp_packet(b"data", extension=EXTENSION), PARTIAL_CHECKSUM, 0, (1, 0, 0, 0, 48, 6)),
    (tcp_packet(b"data"), TCP_FLAGS, 3, (1, 4, 72, 3, 40, 16)),
    (tcp_packet(b"data", flags=ACK | CWR), TCP_FLAGS | SUPER_CWR, 3, (1, 0x84, 72, 3, 40, 16)),
    (udp_packet(b"data"), UDP_FLAGS, 2, (1, 5, 48, 2, 40, 6)),
    (udp_packet(b"data", extension=EXTENSION), UDP_FLAGS, 2, (1, 5, 56, 2, 48, 6)),
]


@pytest.mark.parametrize(("packet", "flags", "segment_size", "fields"), FITTING)
def test_item_flags_become_a_header(packet: bytes, flags: int, segment_size: int, fields: tuple[int, ...]) -> None:
    assert HEADER.unpack(header_of(memoryview(packet), flags, segment_size)) == fields


@pytest.mark.parametrize(("packet", "flags", "segment_size", "fields"), FITTING)
def test_a_header_becomes_item_flags(packet: bytes, flags: int, segment_size: int, fields: tuple[int, ...]) -> None:
    assert item_of(HEADER.pack(*fields), memoryview(packet)) == (flags, segment_size)


def test_a_checksum_that_the_kernel_has_verified_is_a_full_one() -> None:
    assert item_of(HEADER.pack(2, 0, 0, 0, 0, 0), memoryview(udp_packet(b"data", partial=False))) == (0, 0)


def test_the_congestion_flag_is_read_from_the_packet_not_from_the_item() -> None:
    packet = memoryview(tcp_packet(b"data", flags=ACK | CWR))
    assert header_of(packet, TCP_FLAGS, 3) == header_of(packet, TCP_FLAGS | SUPER_CWR, 3)


def test_a_partial_checksum_inside_a_tunnel_is_completed_when_read() -> None:
    inner = udp_packet(b"data")
    outer = bytearray(ipv6_packet(41, inner))
    assert item_of(HEADER.pack(1, 0, 0, 0, 80, 6), memoryview(outer)) == (0, 0)
    assert outer[40:] == udp_packet(b"data", partial=False)
    assert has_valid_checksum(outer[40:], UDP, 40)


@pytest.mark.parametrize(
    "fields",
    [
        (1, 1, 72, 3, 40, 16),  # TCP over IPv4
        (1, 3, 72, 3, 40, 16),  # UDP fragments
        (0, 4, 72, 3, 0, 0),  # super-packet without a partial checksum
        (1, 4, 72, 3, 44, 16),  # or with another's
        (1, 0, 0, 0, 400, 16),  # past the end
    ],
)
def test_an_offload_that_was_not_asked_for_is_refused(fields: tuple[int, ...]) -> None:
    with pytest.raises(DecodeError):
        item_of(HEADER.pack(*fields), memoryview(bytearray(tcp_packet(b"data"))))


@pytest.mark.parametrize(
    ("packet", "flags", "segment_size"),
    [
        (b"", 0, 0),
        (b"\x45" + bytes(60), 0, 0),
        (tcp_packet(b"data"), SUPER_CWR, 0),
        (tcp_packet(b"data"), SUPER_TCP, 3),
        (tcp_packet(b"data"), SUPER_CWR | PARTIAL_CHECKSUM, 0),
        (tcp_packet(b"data"), UDP_FLAGS, 3),
        (tcp_packet(b"data"), TCP_FLAGS | SUPER_UDP, 3),
        (tcp_packet(b"data"), TCP_FLAGS, 0),
        (udp_packet(b"data"), UDP_FLAGS, 0),
        (udp_packet(b"data"), TCP_FLAGS, 2),
        (tcp_packet(b"data") + b"more", PARTIAL_CHECKSUM, 0),
        (tcp_packet(b"data")[:-5], TCP_FLAGS, 2),
        (tcp_packet(b"data")[:52] + b"\xf0" + tcp_packet(b"data")[53:], PARTIAL_CHECKSUM, 0),
        (ipv6_packet(58, bytes(8)), PARTIAL_CHECKSUM, 0),
        (ipv6_packet(44, bytes((TCP, 0, 0, 1, 0, 0, 0, 0)) + bytes(20)), PARTIAL_CHECKSUM, 0),
        (ipv6_packet(UDP, bytes(7)), PARTIAL_CHECKSUM, 0),
        (ipv6_packet(60, b""), PARTIAL_CHECKSUM, 0),
    ],
)
def test_a_hostile_item_gets_no_header(packet: bytes, flags: int, segment_size: int) -> None:
    with pytest.raises(DecodeError):
        header_of(memoryview(packet), flags, segment_size)


@given(
    st.binary(max_size=90),
    st.sampled_from([0, TCP, UDP, 43, 44, 51, 58, 60]),
    st.integers(0, 255),
    st.integers(0, 0xFFFF),
)
def test_any_item_gets_a_header_that_lies_inside_the_packet_or_none(
    body: bytes, protocol: int, flags: int, segment_size: int
) -> None:
    packet = ipv6_packet(protocol, body)
    try:
        header = header_of(memoryview(packet), flags, segment_size)
    except DecodeError:
        return
    _, _, length, _, start, field = HEADER.unpack(header)
    assert header == PLAIN or max(length, start + field + 2) <= len(packet)


@pytest.mark.parametrize("packet", [tcp_packet(b"data"), udp_packet(b"data")])
def test_usual_headers_of_single_packets_mean_what_they_are_said_to(packet: bytes) -> None:
    for header, flags in (SINGLES[packet[6]], OTHER_SINGLE):
        assert item_of(header, memoryview(bytearray(packet))) == (flags, 0)
