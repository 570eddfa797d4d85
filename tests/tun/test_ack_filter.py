"""Acknowledgements that say nothing that a later one does not say are left out, and nothing else is."""

from typing import Final, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.packet.batch import PARTIAL_CHECKSUM
from mycelium.tun.ack_filter import ACK_BYTES
from mycelium.tun.virtio import PLAIN, header_of
from tests.packet.packets import ACK, CWR, ECE, FIN, PSH, RST, SYN, TIMESTAMPS, URG, ipv6_packet, tcp_packet, udp_packet
from tests.tun.played import Packet, read

HIGHEST: Final = (1 << 32) - 1


class Said(NamedTuple):
    """An acknowledgement; `mark` tells it from others."""

    ack: int
    port: int = 1
    sequence: int = 1_000
    mark: int = 0

    @property
    def packet(self) -> Packet:
        options = TIMESTAMPS[:4] + self.mark.to_bytes(8, "big")
        packet = tcp_packet(
            b"", ack=self.ack, port=self.port, sequence=self.sequence, window=self.mark, options=options
        )
        return header_of(memoryview(packet), PARTIAL_CHECKSUM, 0), packet


def whole(packet: bytes) -> Packet:
    return header_of(memoryview(packet), PARTIAL_CHECKSUM, 0), packet


def read_in_one(packets: list[Packet]) -> list[bytes]:
    (items,) = read(packets)
    return [packet for packet, *_ in items]


def test_the_newest_of_several_acknowledgements_is_left() -> None:
    said = [Said(ack, mark=number) for number, ack in enumerate((1, 5, 9))]
    assert read_in_one([one.packet for one in said]) == [said[-1].packet[1]]


def test_a_checksum_that_is_complete_stays_with_its_packet() -> None:
    packets = [tcp_packet(b"", ack=ack, partial=partial) for ack, partial in ((1, True), (2, False), (3, True))]
    for count, flags in ((2, 0), (3, PARTIAL_CHECKSUM)):
        headers = (header_of(memoryview(packets[0]), PARTIAL_CHECKSUM, 0), PLAIN, whole(packets[2])[0])
        (items,) = read(list(zip(headers, packets, strict=True))[:count])
        assert items == [(packets[count - 1], flags, 0)]


@pytest.mark.parametrize(("before", "after"), [(5, 5), (5, 4), (5, HIGHEST), (5, 5 + (1 << 31))])
def test_duplicates_and_older_ones_are_kept(before: int, after: int) -> None:
    packets = [Said(before).packet, Said(after, mark=1).packet]
    assert read_in_one(packets) == [packet for _, packet in packets]


def test_the_last_duplicate_gives_way_to_an_acknowledgement_of_more() -> None:
    packets = [Said(ack, mark=mark).packet for mark, ack in enumerate((5, 5, 5, 6))]
    assert read_in_one(packets) == [packet for _, packet in (*packets[:2], packets[3])]


def test_numbers_wrap_around() -> None:
    packets = [Said(HIGHEST).packet, Said(3).packet]
    assert read_in_one(packets) == [packets[1][1]]


def sack(ack: int) -> bytes:
    return tcp_packet(b"", ack=ack, options=bytes.fromhex("0101050a0000000100000002"))


@pytest.mark.parametrize("flags", [SYN | ACK, FIN | ACK, RST | ACK, PSH | ACK, URG | ACK, ECE | ACK, CWR | ACK, 0])
def test_other_flags_are_kept(flags: int) -> None:
    packets = [whole(tcp_packet(b"", ack=ack, flags=flags)) for ack in (1, 2)]
    assert read_in_one(packets) == [packet for _, packet in packets]


def test_an_accurate_echo_of_marks_is_kept() -> None:
    packets = [bytearray(tcp_packet(b"", ack=ack)) for ack in (1, 2)]
    for packet in packets:
        packet[52] |= 1
    assert read_in_one([(PLAIN, bytes(packet)) for packet in packets]) == packets


def test_selective_acknowledgements_are_kept() -> None:
    packets = [sack(1), sack(2)]
    assert read_in_one([whole(packet) for packet in packets]) == packets


def test_data_with_acknowledgements_is_kept() -> None:
    packets = [tcp_packet(bytes(12), ack=ack, options=b"") for ack in (1, 2)]
    assert {len(packet) for packet in packets} == {ACK_BYTES}
    assert read_in_one([whole(packet) for packet in packets]) == packets


@pytest.mark.parametrize(
    "between", [udp_packet(b"x"), sack(2), tcp_packet(b"x", ack=2), tcp_packet(b"x" * 12, options=b"")]
)
def test_an_acknowledgement_does_not_pass_other_packets(between: bytes) -> None:
    packets = [Said(1).packet, whole(between), Said(3).packet]
    assert read_in_one(packets) == [packet for _, packet in packets]


def test_what_only_looks_like_an_acknowledgement_is_kept() -> None:
    packets = [ipv6_packet(59, tcp_packet(b"", ack=ack)[40:]) for ack in (1, 2)]
    assert read_in_one([(PLAIN, packet) for packet in packets]) == packets


@pytest.mark.parametrize("between", [[], [whole(udp_packet(b"x"))]])
def test_reads_do_not_concern_each_other(between: list[Packet]) -> None:
    first, second = ([Said(64 * mark + one, mark=mark).packet for one in range(64)] for mark in (0, 1))
    expected = [first[-1:], [*between, second[40]]]
    batches = [[packet for packet, *_ in items] for items in read([*first, *between, *second[:41]])]
    assert batches == [[packet for _, packet in items] for items in expected]


FLOWS: Final = st.tuples(st.integers(1, 3), st.sampled_from([1_000, 1_001]))


def left_of(said: list[Said]) -> list[Said]:
    """Returns what is left of acknowledgements with nothing else between."""
    left: list[Said] = []
    for one in said:
        of_flow = [place for place, other in enumerate(left) if other[1:3] == one[1:3]]
        if of_flow and left[of_flow[-1]].ack < one.ack:
            left[of_flow[-1]] = one
        else:
            left.append(one)
    return left


@given(st.lists(st.lists(st.tuples(st.integers(0, 20), FLOWS), max_size=9), max_size=6))
def test_of_each_flow_what_is_left_says_all_in_order(rows: list[list[tuple[int, tuple[int, int]]]]) -> None:
    packets, expected = [], []
    for number, row in enumerate(rows):
        said = [Said(ack, *flow, mark=mark) for mark, (ack, flow) in enumerate(row)]
        other = whole(tcp_packet(bytes(100 + number)))
        packets += [*(one.packet for one in said), other]
        expected += [*(one.packet[1] for one in left_of(said)), other[1]]
    assert [packet for items in read(packets) for packet, *_ in items] == expected
