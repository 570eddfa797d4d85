"""Honest nodes are not named for what they do at once, as when all start, nor for what their links do to them."""

from itertools import cycle

import pytest

from mycelium.node.event_kind import EventKind
from sim.graphs.topology import make_topology
from sim.net.node_mesh import NodeMesh, NodeMeshSettings
from sim.play.pings import udp_packet

ACCUSATIONS = (
    EventKind.NEIGHBOUR_EXCESSIVE,
    EventKind.STRANGERS_EXCESSIVE,
    EventKind.NEIGHBOUR_AVOIDED,
    EventKind.KEY_SHARED,
    EventKind.NEIGHBOUR_KEY_SHARED,
)
BAD_S = 60.0  # for which links are bad
TIMES = ((1.0, 2.0), (2.0, 2.0))  # for which a link that flaps is down, and then up


class HonestMesh:
    """A mesh of whole nodes of which none floods another or drops what it forwards, and of what journals accuse them."""

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
        """Notes what a node has told of others."""
        found = self.mesh.node(node)
        assert found is not None
        self.told += [(node, event.cause) for event in found.journal.after(0) if event.kind in ACCUSATIONS]

    def talk_to(self, destination: int) -> None:
        """Has all others send packets to one node for some seconds."""
        there = self.mesh.address(destination)
        for _ in range(3):
            for node in self.nodes:
                self.mesh.send_packets(node, [udp_packet(self.mesh.address(node), there, b"hello")])
            self.mesh.run(self.mesh.now + 1.0)

    def talk(self, seconds: float) -> None:
        """Has each node send packets to its neighbour of the next number and to the one after that, every 100 ms."""
        until = self.mesh.now + seconds
        while self.mesh.now < until:
            for node in self.nodes:
                for other in (self.mesh.address((node + step) % len(self.nodes)) for step in (1, 2)):
                    self.mesh.send_packets(node, [udp_packet(self.mesh.address(node), other, bytes(1_000))])
            self.mesh.run(min(self.mesh.now + 0.1, until))

    def named(self) -> list[tuple[int, str | None]]:
        """Returns who has told of others, and of what."""
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


@pytest.mark.parametrize("is_told", [False, True], ids=["silently", "as kernels notice"])
@pytest.mark.parametrize("one_way", [False, True], ids=["both ways", "one way"])
def test_the_ends_of_a_link_that_flaps_are_not_named(one_way: bool, is_told: bool) -> None:
    honest = HonestMesh("ring", 4)
    end = honest.mesh.now + BAD_S
    for down_s, up_s in cycle(TIMES):
        if honest.mesh.now > end:
            break
        honest.mesh.cut(0, 1, one_way=one_way, is_told=is_told)
        honest.talk(down_s)
        honest.mesh.mend(0, 1)
        honest.talk(up_s)
    assert sum(table_starts(honest)) > 0
    assert honest.named() == []


@pytest.mark.parametrize(
    "shape",
    [
        {"loss": 0.3},
        {"duplicate": 1.0},
        {"reorder": 0.3, "reorder_s": 0.2},
        {"loss": 0.2, "duplicate": 0.5, "reorder": 0.3, "reorder_s": 0.1, "jitter_s": 0.05},
    ],
    ids=["lose", "double", "reorder", "do all of it"],
)
def test_nodes_are_not_named_for_links_that(shape: dict[str, float]) -> None:
    honest = HonestMesh("ring", 4)
    for one, other in honest.mesh.links:
        honest.mesh.reshape(one, other, cost=None, **shape)
    honest.talk(BAD_S / 2)
    assert honest.named() == []


def test_nodes_are_not_named_for_links_whose_mtu_changes() -> None:
    honest = HonestMesh("ring", 4)
    for mtu in (1_280, 700, 1_500, 600, 1_400, 900, 1_500):
        for one, other in honest.mesh.links:
            honest.mesh.reshape(one, other, mtu=mtu)
        honest.talk(3.0)
    assert honest.named() == []


def table_starts(honest: HonestMesh) -> list[int]:
    """Returns how often each node has put off hearing a neighbour that began a stream."""
    engines = [honest.mesh.engine(node) for node in honest.nodes]
    return [engine.counters.starts_postponed for engine in engines if engine is not None]
