"""Honest nodes are not named for what they do at once: start, restart, look for one node, lose datagrams, move links."""

import pytest

from mycelium.node.event_kind import EventKind
from sim.graphs.topology import make_topology
from sim.net.node_mesh import NodeMesh, NodeMeshSettings
from sim.play.pings import udp_packet

EXCESSES = (EventKind.NEIGHBOUR_EXCESSIVE, EventKind.STRANGERS_EXCESSIVE)


class HonestMesh:
    """A mesh of whole nodes of which none floods another, and what their journals say of floods."""

    def __init__(self, topology: str, nodes: int) -> None:
        self.mesh = NodeMesh(seed=1, link_defaults={}, settings=NodeMeshSettings())
        self.told: list[tuple[int, str | None]] = []
        for one, other in make_topology(topology, nodes, 1).edges:
            self.mesh.add_link(one, other, delay_s=0.01).open()
        self.nodes = range(nodes)
        self.restart(*self.nodes)

    def restart(self, *nodes: int) -> None:
        """Starts nodes, again if they run, and waits until all have routes to all."""
        for node in nodes:
            if node in self.mesh.running():
                self.read(node)
                self.mesh.stop(node)
        for node in nodes:
            self.mesh.start(node)
        self.mesh.run(self.mesh.now + 5.0)
        assert {len(table) for table in self.mesh.tables.values()} == {len(self.nodes) - 1}

    def read(self, node: int) -> None:
        """Notes what a node has told of others' floods."""
        found = self.mesh.node(node)
        assert found is not None
        self.told += [(node, event.cause) for event in found.journal.after(0) if event.kind in EXCESSES]

    def talk_to(self, destination: int) -> None:
        """Has all others send packets to one node for some seconds."""
        there = self.mesh.address(destination)
        for _ in range(3):
            for node in self.nodes:
                self.mesh.send_packets(node, [udp_packet(self.mesh.address(node), there, b"hello")])
            self.mesh.run(self.mesh.now + 1.0)

    def named(self) -> list[tuple[int, str | None]]:
        """Returns who has told of floods, and of which."""
        for node in self.nodes:
            self.read(node)
        return self.told


@pytest.mark.parametrize(("topology", "nodes"), [("star", 110), ("ba:m=2", 30)])
def test_honest_nodes_are_not_named_when_all_start_restart_and_look_for_one_over_lossy_links(
    topology: str, nodes: int
) -> None:
    honest = HonestMesh(topology, nodes)
    honest.talk_to(nodes - 1)
    for one, other in honest.mesh.links:
        honest.mesh.reshape(one, other, loss=0.05)
    honest.restart(nodes - 1)
    honest.talk_to(nodes - 1)
    honest.restart(*honest.nodes)
    honest.talk_to(nodes - 1)
    assert honest.named() == []
