"""What a node knows of where others are at home: meshes of whole nodes that are larger than their tables."""

from random import Random

import networkx
import pytest

from mycelium.node.node import Node
from mycelium.packet.ipv6 import echo_request
from mycelium.routing.parameters import RoutingParameters
from mycelium.wire.home_record import HomeRecord
from sim.net.node_mesh import NodeMesh, NodeMeshSettings

SMALL = RoutingParameters(scope=8, landmark_after_s=0.0, landmark_wait_s=0.5, home_s=0.1)


class Mesh(NodeMesh):
    """A mesh of whole nodes that notes which pings have come to which node."""

    def __init__(self, nodes: int, *, seed: int, parameters: RoutingParameters = SMALL) -> None:
        super().__init__(seed=seed, link_defaults={}, settings=NodeMeshSettings(routing=parameters))
        self.pinged: set[tuple[int, int]] = set()
        self.receive_packet = self._take
        graph = networkx.barabasi_albert_graph(nodes, 2, seed=seed)
        dice = Random(seed)
        for node in graph:
            self.start(node)
        for one, other in graph.edges:
            self.add_link(one, other, delay_s=dice.uniform(0.002, 0.02))
            self.mend(one, other)

    def _take(self, node: int, packet: bytes) -> None:
        if packet[40] == 128:
            self.pinged.add((self.index_of[packet[8:24]], node))

    def ping(self, one: int, other: int) -> None:
        self.send_packets(one, [echo_request(self.address(one), self.address(other), 7, 1, bytes(8))])

    def pass_time(self, seconds: float) -> None:
        self.run(self.now + seconds)

    def running_node(self, node: int) -> Node:
        found = self.node(node)
        assert found is not None
        return found


def test_up_to_the_size_of_its_tables_a_mesh_says_nothing_of_homes() -> None:
    mesh = Mesh(8, seed=1)
    mesh.pass_time(15.0)
    for one in range(8):
        mesh.ping(one, (one + 3) % 8)
    mesh.pass_time(2.0)
    assert len(mesh.pinged) == 8
    for node in mesh.running():
        counts = mesh.running_node(node).metrics.values()
        names = ("lookups", "trains_wrapped", "routing_landmarks", "routing_pins", "home_records_handed", "homes_known")
        assert [counts[name] for name in names] == [0] * len(names)


@pytest.mark.parametrize("seed", [3, 8])
def test_every_pair_talks_in_a_mesh_of_thirty_nodes_whose_tables_hold_eight_and_after_the_loss_of_a_landmark(
    seed: int,
) -> None:
    mesh = Mesh(30, seed=seed)
    mesh.pass_time(15.0)
    landmarks = [node for node in mesh.running() if mesh.running_node(node).routing.is_landmark]
    talk_all(mesh)
    mesh.stop(landmarks[0])
    mesh.pass_time(3.0)
    talk_all(mesh)


def talk_all(mesh: Mesh) -> None:
    """Pings between all pairs of nodes, and again where nothing has come, as a record may be out of date."""
    mesh.pinged.clear()
    missing = {(one, other) for one in mesh.running() for other in mesh.running() if one != other}
    for _ in range(3):
        for one, other in sorted(missing):
            mesh.ping(one, other)
            mesh.pass_time(0.01)
        until = mesh.now + 4.0
        while missing - mesh.pinged and mesh.now < until:
            mesh.pass_time(0.1)
        missing -= mesh.pinged
    assert missing == set()


def test_two_nodes_of_one_subnet_are_forgotten_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.node.directory.HOMES_KNOWN", 1)
    mesh = Mesh(3, seed=1)
    directory = mesh.running_node(0)._data_path.directory
    subnet, another = bytes((4, 1)) + bytes(6), bytes((4, 2)) + bytes(6)
    one, other, last = subnet + b"one     ", subnet + b"other   ", another + b"last    "
    for node in (one, other, last):
        directory._store(node, HomeRecord(bytes(32), 1, 1, bytes(8), mesh.address(1)), now=mesh.now)
    assert [directory.node_at(node) for node in (one, last)] == [None, last]
