"""Runs of packets are cut into parts that hold all packets, in order, and are no longer than allowed where that can be."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mycelium.dataplane.parts import parts_of
from mycelium.packet.batch import HEADROOM, PARTIAL_CHECKSUM, SUPER_MASK, SUPER_TCP, SUPER_UDP, PacketBatch
from mycelium.packet.offload import split
from mycelium.wire.train import ITEM_HEADER, ITEM_HEADER_BYTES
from tests.packet.packets import TIMESTAMPS, tcp_packet, udp_packet

Packet = tuple[bytes, int, int]  # packet, item flags, segment size

TCP_HEADERS_BYTES = 60 + len(TIMESTAMPS)


def batch_of(packets: list[Packet]) -> PacketBatch:
    batch = PacketBatch()
    position = 0
    for packet, flags, segment_size in packets:
        start = position + ITEM_HEADER_BYTES
        ITEM_HEADER.pack_into(batch.buffer, position, len(packet) << 8 | flags, segment_size)
        position = start + len(packet)
        batch.buffer[start:position] = packet
        batch.slots.append((start, position, flags, segment_size))
    return batch


def items_of(part: bytes) -> list[Packet]:
    items = []
    while part:
        word, segment_size = ITEM_HEADER.unpack_from(part)
        end = ITEM_HEADER_BYTES + (word >> 8)
        assert end <= len(part)
        items.append((part[ITEM_HEADER_BYTES:end], word & 0xF, segment_size))
        part = part[end:]
    return items


def cut(packets: list[Packet], limit: int) -> list[tuple[list[Packet], int]]:
    """Returns what is in each part, and its label; headrooms are written to, as by who sends them."""
    batch = batch_of(packets)
    parts = []
    for part, label in parts_of(batch, batch.slots, limit):
        parts.append((items_of(bytes(part[HEADROOM:])), label))
        part[:HEADROOM] = b"\xff" * HEADROOM
    return parts


def segments_of(packets: list[Packet]) -> list[bytes]:
    """Returns the packets that super-packets stand for."""
    whole: list[bytes] = []
    for packet, flags, segment_size in packets:
        if flags & SUPER_MASK:
            pieces = split(memoryview(packet), flags, segment_size, 1)
            whole += [bytes(headers) + bytes(payload) for headers, payload, _, _ in pieces]
        else:
            whole.append(packet)
    return whole


SINGLE = st.integers(1, 1_300).map(lambda size: (tcp_packet(bytes(size)), PARTIAL_CHECKSUM, 0))
SUPER_OF_TCP = st.integers(2, 12_000).map(
    lambda size: (tcp_packet(b"t" * size), SUPER_TCP | PARTIAL_CHECKSUM, min(size - 1, 1_328))
)
SUPER_OF_UDP = st.integers(2, 9_000).map(
    lambda size: (udp_packet(b"u" * size), SUPER_UDP | PARTIAL_CHECKSUM, min(size - 1, 700))
)


@given(st.lists(st.one_of(SINGLE, SUPER_OF_TCP, SUPER_OF_UDP), min_size=1, max_size=9), st.integers(1_408, 9_000))
@example([(tcp_packet(bytes(1_300)), PARTIAL_CHECKSUM, 0)] * 3, 2 * (1_300 + TCP_HEADERS_BYTES + ITEM_HEADER_BYTES))
def test_parts_are_all_packets_in_order_and_no_longer_than_allowed(packets: list[Packet], limit: int) -> None:
    parts = [part for part, _ in cut(packets, limit)]
    assert segments_of([item for part in parts for item in part]) == segments_of(packets)
    for part in parts:
        length = sum(len(packet) + ITEM_HEADER_BYTES for packet, _, _ in part)
        assert 0 < length <= limit


def test_a_part_takes_as_many_packets_as_fit() -> None:
    packets = [(tcp_packet(bytes(100), sequence=number), PARTIAL_CHECKSUM, 0) for number in range(7)]
    item = len(packets[0][0]) + ITEM_HEADER_BYTES
    assert [len(part) for part, _ in cut(packets, 3 * item)] == [3, 3, 1]
    assert [len(part) for part, _ in cut(packets, 3 * item - 1)] == [2, 2, 2, 1]


def test_a_packet_that_is_longer_than_allowed_and_can_not_be_cut_is_a_part() -> None:
    packets = [(tcp_packet(bytes(size)), PARTIAL_CHECKSUM, 0) for size in (10, 900, 10, 10)]
    assert [len(part) for part, _ in cut(packets, 500)] == [1, 1, 2]


def test_segments_of_tcp_are_cut_to_fit_one_datagram_and_datagrams_are_not() -> None:
    tcp = (tcp_packet(bytes(3_000)), SUPER_TCP | PARTIAL_CHECKSUM, 1_328)
    udp = (udp_packet(bytes(3_000)), SUPER_UDP | PARTIAL_CHECKSUM, 1_300)
    assert max(len(packet) for part, _ in cut([tcp], 1_000) for packet, _, _ in part) == 1_000 - ITEM_HEADER_BYTES
    assert [len(packet) for part, _ in cut([udp], 1_000) for packet, _, _ in part] == [1_348, 1_348, 448]


@pytest.mark.parametrize(("room", "lengths"), [(-1, [5, 5, 2]), (0, [5, 5, 2]), (1, [1] * 12), (4, [4, 4, 4])])
def test_segments_of_tcp_whose_headers_leave_no_room_are_not_cut(room: int, lengths: list[int]) -> None:
    tcp = (tcp_packet(bytes(12)), SUPER_TCP | PARTIAL_CHECKSUM, 5)
    parts = cut([tcp], ITEM_HEADER_BYTES + TCP_HEADERS_BYTES + room)
    assert [len(packet) - TCP_HEADERS_BYTES for part, _ in parts for packet, _, _ in part] == lengths
    assert {len(part) for part, _ in parts} == {1}


def test_what_just_fits_is_not_cut() -> None:
    tcp = (tcp_packet(bytes(3_000)), SUPER_TCP | PARTIAL_CHECKSUM, 1_328)
    item = len(tcp[0]) + ITEM_HEADER_BYTES
    assert [len(cut([tcp], limit)) for limit in (item, item - 1)] == [1, 2]


def test_packets_in_a_row_have_the_label_of_the_first_and_what_is_cut_its_own() -> None:
    labels = iter((7, 8, 9))

    def labelled(size: int, flags: int, segment_size: int) -> Packet:
        packet = bytearray(tcp_packet(bytes(size)))
        packet[3] = next(labels)
        return bytes(packet), flags, segment_size

    packets = [
        labelled(10, PARTIAL_CHECKSUM, 0),
        labelled(3_000, SUPER_TCP | PARTIAL_CHECKSUM, 1_328),
        labelled(10, PARTIAL_CHECKSUM, 0),
    ]
    assert [label for _, label in cut(packets, 1_500)] == [7, 8, 8, 8, 7]
