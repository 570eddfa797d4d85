"""Marks in the traffic class: only packets whose sender understands them get one."""

import pytest
from scapy.layers.inet6 import IPv6

from mycelium.packet.ecn import mark_congestion, mark_deliveries


@pytest.mark.parametrize("dscp", [0, 46, 63])
@pytest.mark.parametrize(("ecn", "marked"), [(1, 3), (2, 3), (3, 3), (0, None)])
def test_a_mark_changes_the_ecn_field_of_a_capable_packet_and_nothing_else(
    dscp: int, ecn: int, marked: int | None
) -> None:
    before = IPv6(tc=dscp << 2 | ecn, fl=0xF_EDCB) / b"payload"
    packet = bytearray(bytes(before))
    assert mark_congestion(memoryview(packet)) is (marked is not None)
    after = IPv6(tc=dscp << 2 | (ecn if marked is None else marked), fl=0xF_EDCB) / b"payload"
    assert bytes(packet) == bytes(after)


def test_packets_whose_senders_want_no_marks_are_removed_behind_those_that_are_there_already() -> None:
    packets = [memoryview(bytearray(bytes(IPv6(tc=ecn)))) for ecn in (0, 0, 2, 0, 1)]
    deliveries = [(packet, 0, number) for number, packet in enumerate(packets)]
    assert mark_deliveries(deliveries, 1) == 2
    assert [number for _, _, number in deliveries] == [0, 2, 4]
    assert [packet[1] >> 4 & 3 for packet, _, _ in deliveries] == [0, 3, 3]
