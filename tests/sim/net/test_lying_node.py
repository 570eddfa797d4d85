"""Whole nodes that lie: what they say of routes, and what becomes of the trains that they should forward."""

import pytest

from mycelium.identity import subnet_of
from mycelium.wire.distance import INFINITY
from sim.net.liar import ATTRACTIVE_METRIC
from sim.net.lying_node import SWING_S, WAYS_TO_LIE
from sim.net.node_mesh import NodeMesh, NodeMeshSettings
from sim.play.pings import udp_packet

LIAR = 1


def mesh_with_liar(how: str) -> NodeMesh:
    """Returns a line of three nodes, of which the one in the middle lies, and a longer way around it of two more."""
    mesh = NodeMesh(seed=1, link_defaults={}, settings=NodeMeshSettings())
    mesh.liars[LIAR] = how
    for one, other, delay_s in ((0, 1, 0.01), (1, 2, 0.01), (0, 3, 0.01), (3, 4, 0.01), (4, 2, 0.01)):
        mesh.add_link(one, other, delay_s=delay_s).open()
    for node in range(5):
        mesh.start(node)
    mesh.run(6.0)
    return mesh


def heard(mesh: NodeMesh, source: int, destination: int) -> bool:
    """Tells whether a packet arrives."""
    arrived: list[bytes] = []
    mesh.receive_packet = lambda node, packet: arrived.append(packet) if node == destination else None
    mesh.send_packets(source, [udp_packet(mesh.address(source), mesh.address(destination), b"x")])
    mesh.run(mesh.now + 3.0)
    return bool(arrived)


@pytest.mark.parametrize("how", WAYS_TO_LIE)
def test_a_liar_drops_what_it_should_forward_and_talks_for_itself(how: str) -> None:
    mesh = mesh_with_liar(how)
    assert heard(mesh, 0, LIAR)
    if how != "swing":
        assert heard(mesh, 0, 2) == (
            how in ("forge", "impersonate", "hide")
        )  # it is believed no route, so nobody uses it
    assert heard(mesh, 4, 2)


def test_who_attracts_claims_the_least_metric_to_everybody_and_its_digests_agree() -> None:
    mesh = mesh_with_liar("attract")
    engine = mesh.engine(0)
    assert engine is not None
    link = engine.link_costs()[mesh.address(LIAR)]
    assert [engine.metric(mesh.address(node)) for node in (2, 4)] == [link + ATTRACTIVE_METRIC] * 2
    mesh.run(mesh.now + 120)
    assert engine.counters.digests_differing == 0


def test_who_swings_retracts_what_it_has_told_and_tells_it_again() -> None:
    mesh = mesh_with_liar("swing")
    engine, changes = mesh.engine(0), []
    assert engine is not None
    for _ in range(4):
        mesh.run(mesh.now + SWING_S)
        changes.append(engine.metric_over(mesh.address(LIAR), mesh.address(4)) == INFINITY)
    assert changes in ([True, False] * 2, [False, True] * 2)


@pytest.mark.parametrize("how", ["forge", "impersonate"])
def test_what_nobody_signed_is_not_believed_so_that_no_sequence_is_inflated_and_no_prefix_taken(how: str) -> None:
    mesh = mesh_with_liar(how)
    for node in (0, 2, 3, 4):
        engine = mesh.engine(node)
        assert engine is not None
        for other in (0, 2, 3, 4):
            address = mesh.address(other)
            announcement = engine.resolve(address)
            assert announcement is not None
            assert mesh.is_signed(address, announcement)
            assert engine.forwarding.owner[subnet_of(address)] == address
        refused = engine.counters.announcements_forged + engine.counters.announcements_wrong_node
        assert (refused > 0) == (node in (0, 2))


def test_trains_that_bounce_end_at_their_hop_limit() -> None:
    mesh = mesh_with_liar("bounce")
    assert not heard(mesh, 0, 2)
    assert mesh.hop_limit_deaths() <= 16
