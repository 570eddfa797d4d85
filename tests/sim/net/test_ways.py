"""What way two nodes take, when no link of the mesh joins them."""

import pytest

from sim.net.nat import KINDS
from sim.net.node_mesh import NodeMesh, NodeMeshSettings
from sim.net.ways import DIRECT, LEASED, RELAYED
from sim.play.pings import PingTraffic

ONE, OTHER, RELAY = 0, 1, 2


def talking(kind: str, seconds: float) -> NodeMesh:
    """Returns a mesh in which two nodes behind NATs of a kind have talked over a relay, for so long."""
    mesh = NodeMesh(seed=1, link_defaults={}, settings=NodeMeshSettings())
    mesh.has_shortcuts = True
    for node in (ONE, OTHER):
        model = KINDS[kind]
        if model is not None:
            mesh.put_behind_nat(node, model)
        for relay in (RELAY, RELAY + 1):
            mesh.add_link(node, relay, delay_s=0.01).open()
    mesh.add_way(ONE, OTHER, delay_s=0.005)
    for node in range(4):
        mesh.start(node)
    mesh.run(4.0)
    assert mesh.shortcuts.taken(ONE, OTHER) == RELAYED
    traffic = PingTraffic(mesh)
    for ends in ((ONE, OTHER), (OTHER, ONE)):
        traffic.add(*ends, 0.02)
    mesh.run(mesh.now + seconds)
    return mesh


@pytest.mark.parametrize(("kind", "way"), [("public", DIRECT), ("port-restricted", DIRECT), ("symmetric", LEASED)])
def test_pairs_become_direct_where_a_datagram_gets_through_and_else_a_relay_leases_a_port(kind: str, way: str) -> None:
    mesh = talking(kind, 3.0)
    assert mesh.shortcuts.taken(ONE, OTHER) == mesh.shortcuts.taken(OTHER, ONE) == way
    assert bool(mesh.shortcuts.lessors()) is (way == LEASED)
    assert mesh.carries(ONE, OTHER)
    assert mesh.carries(OTHER, ONE)


def test_a_leased_port_is_no_way_once_its_relay_or_a_link_to_it_is_gone() -> None:
    mesh = talking("symmetric", 3.0)
    (lessor,) = mesh.shortcuts.lessors()
    mesh.cut(OTHER, lessor)
    assert not mesh.carries(ONE, OTHER)
    mesh.mend(OTHER, lessor)
    assert mesh.carries(ONE, OTHER)
    mesh.stop(lessor)
    assert not mesh.shortcuts.passes(ONE, OTHER)
    assert mesh.shortcuts.taken(ONE, OTHER) == RELAYED
    assert mesh.shortcuts.lessors() == []


def test_a_shortcut_to_an_old_address_is_no_way() -> None:
    mesh = talking("port-restricted", 2.0)
    mesh.roam(ONE)
    assert not mesh.shortcuts.passes(OTHER, ONE)
    assert mesh.shortcuts.taken(ONE, OTHER) == RELAYED
