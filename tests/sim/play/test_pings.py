"""Packets of watched flows: what is counted, and the longest time without an arrival."""

import pytest
from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6

from sim.play.pings import ON_THE_WAY_S, PingTraffic, udp_packet
from tests.sim.play.support import node_mesh


def test_a_packet_is_one_that_other_tools_understand() -> None:
    packet = IPv6(udp_packet(b"\x04" + bytes(15), b"\x04" + b"\1" * 15, b"body"))
    assert (packet.src, packet[UDP].payload.load, packet.plen) == ("400::", b"body", 12)


def test_arrivals_are_counted_and_a_cut_is_a_gap() -> None:
    mesh = node_mesh()
    traffic = PingTraffic(mesh)
    traffic.add(0, 1, 0.1)
    mesh.run(mesh.now + 2.05)
    assert traffic.sent == traffic.arrived > 19
    before = mesh.now
    mesh.cut(0, 1)
    mesh.run(mesh.now + 5.0)
    assert traffic.sent > traffic.arrived
    assert traffic.longest_gap_s == pytest.approx(mesh.now - ON_THE_WAY_S - before, abs=0.15)


def test_starting_over_discards_the_counts_and_what_is_still_in_flight() -> None:
    mesh = node_mesh(delay_s=0.04)
    traffic = PingTraffic(mesh)
    traffic.add(0, 1, 0.1)
    mesh.run(mesh.now + 1.02)  # one packet is in flight
    traffic.start_over()
    mesh.run(mesh.now + 0.07)
    assert (traffic.sent, traffic.arrived, traffic.gaps_s()) == (0, 0, [0.0])
    mesh.run(mesh.now + 1.0)
    assert traffic.sent == traffic.arrived == 10


def test_a_stopped_node_sends_nothing_and_has_no_gap() -> None:
    mesh = node_mesh()
    traffic = PingTraffic(mesh)
    traffic.add(0, 1, 0.1)
    mesh.stop(1)
    mesh.run(mesh.now + 5.0)
    assert (traffic.sent, traffic.longest_gap_s) == (0, 0.0)


def test_only_packets_that_can_not_arrive_any_more_are_lost() -> None:
    mesh = node_mesh(delay_s=0.04)
    traffic = PingTraffic(mesh)
    flow = traffic.add(0, 1, 0.1)
    mesh.run(mesh.now + 2.02)  # one packet is in flight
    assert traffic.lost(flow) == 0
    assert traffic.took_s(flow) == pytest.approx(0.04, abs=0.001)
    mesh.cut(0, 1)
    mesh.run(mesh.now + 2.0)
    assert 9 <= traffic.lost(flow) <= 12
    traffic.start_over()
    assert traffic.lost(flow) == 0
