"""A pair of nodes that look for a way: when it was found, and what was lost meanwhile."""

import pytest

from sim.net.node_mesh import NodeMesh, NodeMeshSettings
from sim.play.nat_pair import NatPair
from sim.play.pings import PingTraffic


def test_the_last_way_counts_and_packets_lost_before_do_not() -> None:
    mesh = NodeMesh(seed=1, link_defaults={}, settings=NodeMeshSettings())
    mesh.has_shortcuts = True
    for node in (0, 1):
        mesh.add_link(node, 2, delay_s=0.01).open()
    mesh.add_way(0, 1, delay_s=0.005)
    for node in range(3):
        mesh.start(node)
    mesh.run(4.0)
    pings, pair = PingTraffic(mesh), NatPair(0, 1, ("public", "public"))
    assert not pair.is_talking
    pair.talk(lambda one, other: pings.add(one, other, 0.02))
    assert pair.is_talking
    pair.begin(mesh, pings)
    mesh.run(mesh.now + 0.2)
    pair.look(mesh, pings)
    assert (pair.way, pair.found_after_s()) == ("relayed", None)
    mesh.run(mesh.now + 2.0)
    for _ in range(2):
        pair.look(mesh, pings)
    record = pair.record(pings)
    assert (record["way"], record["lost"], record["kinds"]) == ("direct", 0, ["public", "public"])
    assert record["found_s"] == pair.found_after_s() == pytest.approx(2.2)
    assert record["before_s"] > 2 * record["after_s"]
    mesh.roam(0)
    pair.look(mesh, pings)
    assert (pair.way, pair.found_at) == ("relayed", None)
    mesh.run(mesh.now + 3.0)
    assert pair.lost(pings) > 0
    pair.begin(mesh, pings)
    assert pair.lost(pings) == 0
