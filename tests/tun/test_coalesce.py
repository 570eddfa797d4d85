"""Merging runs: fewer writes, and after the kernel has cut them again the very packets that were delivered, flow by flow."""

from collections import defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.limits import PACKETS_PER_RUN
from mycelium.packet.batch import PARTIAL_CHECKSUM, SUPER_TCP, SUPER_UDP
from mycelium.packet.ipv6 import UDP, Buffer, echo_request
from mycelium.packet.offload import split
from mycelium.tun.coalesce import MergedRun, coalesce
from mycelium.tun.virtio import HEADER, header_of
from tests.packet.packets import ACK, CWR, DESTINATION, ECE, FIN, PSH, RST, SOURCE, SYN, URG, tcp_packet, udp_packet
from tests.support.checksums import complete_checksum

TCP_FLAGS = SUPER_TCP | PARTIAL_CHECKSUM
UDP_FLAGS = SUPER_UDP | PARTIAL_CHECKSUM

Item = tuple[bytes, int, int]


def merged(items: Sequence[Item], *, merge_udp: bool = True) -> list[MergedRun]:
    return coalesce([(memoryview(packet), flags, size) for packet, flags, size in items], merge_udp=merge_udp)


def singles(*packets: bytes) -> list[Item]:
    return [(packet, PARTIAL_CHECKSUM, 0) for packet in packets]


def segments(*sizes: int, flags: int = ACK) -> list[Item]:
    """Returns TCP segments in sequence."""
    starts = [1_000 + sum(sizes[:index]) for index in range(len(sizes))]
    return singles(
        *(tcp_packet(bytes(size), sequence=start, flags=flags) for start, size in zip(starts, sizes, strict=True))
    )


def written(run: MergedRun) -> list[Buffer]:
    return run.buffers() if run.payloads else [header_of(run.packet, run.flags, run.segment_size), run.packet]


def cut(run: MergedRun) -> list[bytes]:
    """Does what the kernel does with a write: cuts it into packets with full checksums."""
    header, *parts = written(run)
    packet = bytearray(b"".join(parts))
    needs, gso_type, _, size, _, _ = HEADER.unpack(header)
    if gso_type:
        flags = (SUPER_UDP if gso_type == 5 else SUPER_TCP) | PARTIAL_CHECKSUM
        return [
            complete(bytes(head) + bytes(payload)) for head, payload, _, _ in split(memoryview(packet), flags, size, 1)
        ]
    return [complete(bytes(packet)) if needs else bytes(packet)]


def complete(packet: bytes) -> bytes:
    writable = bytearray(packet)
    complete_checksum(memoryview(writable))
    return bytes(writable)


def as_sent(item: Item) -> list[bytes]:
    """Returns the packets that an item stands for, with full checksums."""
    packet, flags, size = item
    if size:
        return [
            complete(bytes(head) + bytes(payload)) for head, payload, _, _ in split(memoryview(packet), flags, size, 1)
        ]
    return [complete(packet) if flags else packet]


def by_flow(packets: list[bytes]) -> dict[bytes, list[bytes]]:
    flows = defaultdict(list)
    for packet in packets:
        flows[packet[6:7] + packet[8:44]].append(packet)
    return flows


def damaged(packet: bytes) -> bytes:
    return packet[:-1] + bytes((packet[-1] ^ 0x10,))


@st.composite
def items(draw: st.DrawFn) -> list[Item]:
    """Makes packets of a few flows, most of which could join what came before."""
    sequences = [0xFFFF_FFF0, 5]
    made: list[Item] = []
    for number in range(draw(st.integers(2, 24))):
        port = draw(st.sampled_from([1, 1, 1, 2]))
        payload = bytes((number,)) * draw(st.sampled_from([8, 8, 8, 8, 3, 12, 0]))
        kind = draw(st.sampled_from(["partial", "partial", "full", "damaged", "super", "ping"]))
        if kind == "ping":
            made.append((echo_request(SOURCE, DESTINATION, 1, number), 0, 0))
            continue
        if kind == "super":
            payload = bytes((number,)) * draw(st.sampled_from([16, 24, 20, 9]))
        is_partial = kind in ("partial", "super")
        if draw(st.booleans()):
            packet, flags = udp_packet(payload, port=port, partial=is_partial), UDP_FLAGS
        else:
            bits = draw(st.sampled_from([ACK] * 6 + [ACK | PSH, ACK | ECE, ACK | FIN]))
            ack = draw(st.sampled_from([7, 7, 7, 7, 8]))
            packet = tcp_packet(
                payload, port=port, sequence=sequences[port - 1], flags=bits, ack=ack, partial=is_partial
            )
            sequences[port - 1] += len(payload) if draw(st.integers(0, 7)) else 1
            flags = TCP_FLAGS
        if kind == "super":
            made.append((packet, flags, 8))
        else:
            made.append(
                (damaged(packet) if kind == "damaged" else packet, flags & PARTIAL_CHECKSUM if is_partial else 0, 0)
            )
    return made


@given(items(), st.booleans())
def test_every_flow_comes_out_as_it_was_sent(delivered: list[Item], merge_udp: bool) -> None:
    runs = merged(delivered, merge_udp=merge_udp)
    sent = [packet for item in delivered for packet in as_sent(item)]
    assert by_flow([packet for run in runs for packet in cut(run)]) == by_flow(sent)


def test_a_batch_of_equal_udp_packets_is_one_write() -> None:
    (run,) = merged(singles(*(udp_packet(bytes(64)) for _ in range(64))))
    header, headers, *payloads = run.buffers()
    assert HEADER.unpack(header) == (1, 5, 48, 64, 40, 6)
    assert bytes(headers) == udp_packet(bytes(64 * 64))[:48]
    assert b"".join(payloads) == bytes(64 * 64)


def test_full_checksums_give_way_to_a_partial_one() -> None:
    full = udp_packet(bytes(64), partial=False)
    (run,) = merged([(full, 0, 0)] * 3)
    assert cut(run) == [full] * 3


def test_a_damaged_packet_is_written_as_it_came() -> None:
    full = udp_packet(bytes(64), partial=False)
    runs = merged([(full, 0, 0), (full, 0, 0), (damaged(full), 0, 0), (full, 0, 0), (full, 0, 0)])
    assert [cut(run) for run in runs] == [[full, full], [damaged(full)], [full, full]]


def test_flows_that_alternate_are_merged_each() -> None:
    runs = merged(singles(*(udp_packet(bytes(64), port=1 + number % 2) for number in range(10))))
    assert [len(cut(run)) for run in runs] == [5, 5]


@pytest.mark.parametrize(
    ("sizes", "writes"),
    [
        ([64, 64, 10], [3]),
        ([64, 64, 10, 10], [3, 1]),
        ([64, 64, 10, 64, 64], [3, 2]),
        ([64, 65, 65], [1, 2]),
        ([64, 0, 64], [1, 1, 1]),
        ([64] * (PACKETS_PER_RUN + 2), [PACKETS_PER_RUN, 2]),
        ([1_300] * 52, [50, 2]),
    ],
)
def test_a_udp_run_is_of_one_size_but_for_the_last(sizes: list[int], writes: list[int]) -> None:
    runs = merged(singles(*(udp_packet(bytes(size)) for size in sizes)))
    assert [len(cut(run)) for run in runs] == writes


def test_udp_stays_apart_where_the_kernel_takes_no_udp_super_packets() -> None:
    assert len(merged(singles(*[udp_packet(bytes(64))] * 3), merge_udp=False)) == 3


def test_udp_of_another_flow_label_stays_apart() -> None:
    assert len(merged(singles(udp_packet(bytes(64)), udp_packet(bytes(64), label=9)))) == 2


def test_udp_whose_length_lies_stays_apart() -> None:
    packet = udp_packet(bytes(64))
    assert len(merged(singles(packet, packet + b"x", packet + b"x"))) == 3


def test_udp_behind_an_extension_header_stays_apart() -> None:
    assert len(merged(singles(*[udp_packet(bytes(64), extension=bytes((UDP, 0, 1, 4, 0, 0, 0, 0)))] * 2))) == 2


def test_tcp_segments_in_sequence_are_one_write() -> None:
    (run,) = merged(segments(1_328, 1_328, 1_328, 500, flags=ACK | ECE))
    header, headers, *_ = run.buffers()
    assert HEADER.unpack(header) == (1, 4, 72, 1_328, 40, 16)
    assert bytes(headers) == tcp_packet(bytes(3 * 1_328 + 500), flags=ACK | ECE)[:72]


def test_push_ends_a_tcp_run_and_is_kept() -> None:
    first, _, third = (item[0] for item in segments(100, 100, 100))
    pushed = tcp_packet(bytes(100), sequence=1_100, flags=ACK | PSH)
    runs = merged(singles(first, pushed, third))
    assert [cut(run) for run in runs] == [[complete(first), complete(pushed)], [complete(third)]]


@pytest.mark.parametrize(
    "difference",
    [
        {"sequence": 1_101},
        {"sequence": 1_000},
        {"ack": 8},
        {"window": 501},
        {"hop_limit": 63},
        {"options": bytes.fromhex("0101080a0000000200000002")},
        {"options": b""},
        *({"flags": ACK | bit} for bit in (FIN, SYN, RST, URG, ECE, CWR)),
        {"flags": 0},
    ],
)
def test_a_tcp_segment_that_differs_stays_apart(difference: dict[str, int]) -> None:
    first = tcp_packet(bytes(100))
    other = tcp_packet(bytes(100), **{"sequence": 1_100, **difference})  # type: ignore[arg-type]
    assert [cut(run) for run in merged(singles(first, other))] == [[complete(first)], [complete(other)]]


@pytest.mark.parametrize("bit", [FIN, SYN, RST, URG, CWR])
def test_nothing_joins_a_tcp_segment_with_a_special_flag(bit: int) -> None:
    assert len(merged(segments(100, 100, flags=ACK | bit))) == 2


def test_pure_acknowledgements_are_not_merged() -> None:
    assert len(merged(singles(*(tcp_packet(b"", ack=number) for number in range(5))))) == 5


def test_super_packets_join_as_the_segments_they_stand_for() -> None:
    first = (tcp_packet(bytes(300)), TCP_FLAGS, 100)
    second = (tcp_packet(bytes(250), sequence=1_300), TCP_FLAGS, 100)
    third = (tcp_packet(bytes(100), sequence=1_550), TCP_FLAGS, 100)
    runs = merged([first, second, third])
    assert [len(cut(run)) for run in runs] == [6, 1]


@pytest.mark.parametrize(("size", "flags"), [(0, TCP_FLAGS), (100, UDP_FLAGS), (100, SUPER_TCP), (99, TCP_FLAGS)])
def test_an_inconsistent_super_packet_stays_apart(size: int, flags: int) -> None:
    first = (tcp_packet(bytes(300)), TCP_FLAGS, 100)
    assert len(merged([first, (tcp_packet(bytes(300), sequence=1_300), flags, size)])) == 2


def test_a_run_ends_where_the_length_field_would_overflow() -> None:
    first = (tcp_packet(bytes(40_000)), TCP_FLAGS, 1_000)
    second = (tcp_packet(bytes(26_000), sequence=41_000), TCP_FLAGS, 1_000)
    assert [len(cut(run)) for run in merged([first, second])] == [40, 26]


def test_nothing_joins_a_super_packet_whose_last_segment_is_short() -> None:
    first = (tcp_packet(bytes(250)), TCP_FLAGS, 100)
    assert len(merged([first, *singles(tcp_packet(bytes(100), sequence=1_250))])) == 2


def test_nothing_joins_a_segment_that_pushes() -> None:
    assert len(merged(segments(100, 100, flags=ACK | PSH))) == 2


def test_a_tcp_run_goes_on_over_the_end_of_the_sequence_space() -> None:
    packets = [tcp_packet(bytes(100), sequence=start) for start in (0xFFFF_FF9C, 0, 100)]
    assert [cut(run) for run in merged(singles(*packets))] == [[complete(packet) for packet in packets]]


PLAIN_UDP = udp_packet(bytes(64))


@pytest.mark.parametrize("first", [PLAIN_UDP, None], ids=["behind a good one", "behind one like it"])
@pytest.mark.parametrize(
    "item",
    [
        pytest.param((PLAIN_UDP, 0, 0), id="partial checksum called full"),
        pytest.param((PLAIN_UDP, UDP_FLAGS, 0), id="super-packet without segment size"),
        pytest.param((b"\x45" + PLAIN_UDP[1:], PARTIAL_CHECKSUM, 0), id="another IP version"),
        pytest.param((PLAIN_UDP[:4] + b"\x00\x09" + PLAIN_UDP[6:], PARTIAL_CHECKSUM, 0), id="wrong IPv6 length"),
    ],
)
def test_a_mislabelled_packet_is_not_merged(first: bytes | None, item: Item) -> None:
    assert len(merged([(first, PARTIAL_CHECKSUM, 0) if first else item, item])) == 2


def test_tcp_whose_length_lies_stays_apart() -> None:
    first, second = (tcp_packet(bytes(100), sequence=start) for start in (1_000, 1_100))
    assert len(merged(singles(first[:4] + b"\x00\x09" + first[6:], second[:4] + b"\x00\x09" + second[6:]))) == 2


@given(st.lists(st.tuples(st.binary(max_size=80), st.integers(0, 255), st.integers(0, 0xFFFF)), max_size=8))
def test_any_bytes_are_coalesced_without_harm(delivered: list[Item]) -> None:
    runs = merged(delivered)
    assert [run.packet.tobytes() for run in runs] == [packet for packet, _, _ in delivered]
