"""Runs of UDP packets are read from TUN as super-packets that are, cut again, the packets that the kernel handed over."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.limits import BYTES_PER_BATCH, PACKETS_PER_BATCH
from mycelium.packet.batch import PARTIAL_CHECKSUM, SUPER_TCP, SUPER_UDP
from mycelium.packet.ipv6 import is_ipv6
from mycelium.packet.offload import split
from mycelium.tun.udp_run import HEADER, MISSES_PER_BATCH
from mycelium.tun.virtio import PLAIN, header_of, item_of
from tests.packet.packets import ipv6_packet, tcp_packet, udp_packet
from tests.tun.played import Item, Packet, read


def apart(items: Sequence[Item]) -> list[Item]:
    """Returns all packets, those of UDP super-packets one by one."""
    packets: list[Item] = []
    for packet, flags, size in items:
        if flags == SUPER_UDP | PARTIAL_CHECKSUM:
            pieces = split(memoryview(packet), flags, size, 1)
            packets += [(bytes(headers) + bytes(payload), its, rest) for headers, payload, its, rest in pieces]
        else:
            packets.append((packet, flags, size))
    return packets


def alone(header: bytes, packet: bytes) -> list[Item]:
    """Returns what one packet is read as; nothing if it is dropped."""
    copy = memoryview(bytearray(packet))
    try:
        flags, segment_size = item_of(header, copy)
    except DecodeError:
        return []
    return [(bytes(copy), flags, segment_size)] if is_ipv6(copy) else []


def single(size: int, *, port: int = 1, fill: int = 0) -> Packet:
    return HEADER, udp_packet(bytes((fill,)) * size, port=port)


def lengths_lie(size: int) -> Packet:
    packet = bytearray(udp_packet(bytes(size)))
    packet[45] ^= 1
    return HEADER, bytes(packet)


def another_protocol(size: int) -> Packet:
    body = bytes(4) + (8 + size).to_bytes(2, "big") + bytes(2 + size)
    return HEADER, ipv6_packet(41, body)


def tcp(size: int) -> Packet:
    packet = tcp_packet(bytes(size))
    return header_of(memoryview(packet), PARTIAL_CHECKSUM, 0), packet


SUPER_PACKET = tcp_packet(bytes(300))
MALFORMED = HEADER, b"\x60" + bytes(5) + b"\x06" + bytes(33)  # the checksum is said to be behind its end
KINDS: dict[str, Callable[[int], Packet]] = {
    "udp": single,
    "other flow": lambda size: single(size, port=2),
    "other content": lambda size: single(size, fill=7),
    "more behind it": lambda size: (HEADER, udp_packet(bytes(size), port=1) + b"more"),
    "said to be whole": lambda size: (PLAIN, udp_packet(bytes(size), port=1)),
    "another protocol": another_protocol,
    "full checksum": lambda size: (PLAIN, udp_packet(bytes(size), partial=False)),
    "lengths lie": lengths_lie,
    "tcp": tcp,
    "super-packet": lambda size: (header_of(memoryview(SUPER_PACKET), SUPER_TCP | PARTIAL_CHECKSUM, 100), SUPER_PACKET),
    "ipv4": lambda size: (PLAIN, b"\x45" + bytes(19 + size)),
    "nothing": lambda size: (PLAIN, b""),
    "malformed": lambda size: MALFORMED,
}


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from([0, 1, 64, 1_200, 3_000]), st.integers(1, 40)),
        max_size=12,
    )
)
@example([("udp", 64, 2), ("said to be whole", 64, 1), ("udp", 64, 1)])
@example([("udp", 64, 2), ("more behind it", 64, 1), ("udp", 64, 1)])
def test_what_is_read_together_is_what_came_one_by_one(kinds: list[tuple[str, int, int]]) -> None:
    packets = [KINDS[kind](size) for kind, size, times in kinds for _ in range(times)]
    expected = [item for header, packet in packets for item in alone(header, packet)]
    assert [item for items in read(packets) for item in apart(items)] == expected


def test_packets_with_equal_headers_become_one() -> None:
    ((item,),) = read([single(64, fill=number) for number in range(10)])
    payload = b"".join(bytes((number,)) * 64 for number in range(10))
    assert item == (udp_packet(payload, port=1), SUPER_UDP | PARTIAL_CHECKSUM, 64)


@pytest.mark.parametrize(
    ("size", "count", "lengths"),
    [
        (64, PACKETS_PER_BATCH + 2, [PACKETS_PER_BATCH, 2]),
        (1_200, 60, [BYTES_PER_BATCH // 1_200, 60 - BYTES_PER_BATCH // 1_200]),
        (25_000, 3, [2, 1]),
        (33_000, 2, [1, 1]),
    ],
)
def test_a_run_ends_with_the_batch_and_with_the_longest_packet(size: int, count: int, lengths: list[int]) -> None:
    batches = read([single(size)] * count)
    assert [len(apart([item])) for items in batches for item in items] == lengths


@pytest.mark.parametrize(
    ("flows_before", "misses", "count"),
    [(1, MISSES_PER_BATCH - 1, 1), (1, MISSES_PER_BATCH, 9), (2, 0, 1), (2, 1, 9)],
)
def test_packets_of_many_flows_are_left_as_they_are(flows_before: int, misses: int, count: int) -> None:
    before = [single(64, port=1 + number % flows_before) for number in range(PACKETS_PER_BATCH)]
    mixed = [single(64, port=1 + number % 2) for number in range(misses)]
    _, items = read([*before, *mixed, *[single(64, port=3)] * 9])
    assert len(items) == misses + count


def test_short_runs_that_follow_one_another_become_one_packet_each() -> None:
    sizes = [64, 64, 64, 576, 576, 1_300] * 10
    (items,) = read([single(size) for size in sizes])
    assert [len(packet) - len(udp_packet(b"")) for packet, *_ in items] == [192, 1_152, 1_300] * 10
