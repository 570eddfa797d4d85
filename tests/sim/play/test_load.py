"""Bulk traffic at a constant rate."""

import pytest

from mycelium.packet.ipv6 import HEADER_BYTES, UDP_HEADER_BYTES
from sim.play.load import PACKET_BYTES, Load
from tests.sim.play.support import node_mesh


@pytest.mark.parametrize("bytes_per_s", [1_000.0, 500_000.0])
def test_a_flow_has_its_rate_until_it_ends(bytes_per_s: float) -> None:
    mesh = node_mesh()
    arrived: list[int] = []
    mesh.receive_packet = lambda node, packet: arrived.append(len(packet))
    load = Load(mesh, 0, 1, bytes_per_s)
    mesh.run(mesh.now + 20.0)
    assert set(arrived) == {PACKET_BYTES + HEADER_BYTES + UDP_HEADER_BYTES}
    assert len(arrived) * PACKET_BYTES == pytest.approx(20 * bytes_per_s, rel=0.02, abs=PACKET_BYTES)
    load.end()
    mesh.run(mesh.now + 1.0)
    before = len(arrived)
    mesh.run(mesh.now + 5.0)
    assert len(arrived) == before


def test_a_stopped_node_sends_nothing() -> None:
    mesh = node_mesh()
    arrived: list[bytes] = []
    mesh.receive_packet = lambda node, packet: arrived.append(packet)
    mesh.stop(0)
    Load(mesh, 0, 1, 100_000.0)
    mesh.run(mesh.now + 1.0)
    assert arrived == []
