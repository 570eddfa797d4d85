"""Meshes of no more nodes than a table holds: all bytes, at all times, are those that are sent where tables hold everybody."""

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import Any, Final

import pytest

from mycelium.dataplane.receiving import Receiving
from mycelium.limits import DESTINATIONS
from mycelium.routing import scope as scopes
from mycelium.routing.engine import RoutingEngine
from mycelium.routing.scope import SHARES_FROM
from mycelium.wire.announcement import LANDMARK
from mycelium.wire.control import Item, Update, encode_item
from mycelium.wire.frame import DATA, FRAME_HEADER
from mycelium.wire.train import (
    ANSWER,
    ITEM_HOMES,
    ITEM_MEETING,
    LENGTH_MASK,
    LOOKUP,
    RELAY,
    TRAIN_HEADER,
    WRAPPER_BYTES,
)
from sim.net.node_mesh import NodeMesh
from sim.net.routing_mesh import End, RoutingMesh, SimulatedNode
from sim.play.pings import udp_packet
from sim.play.run import NODE, ROUTING, Run, RunSpec

NODES: Final = {ROUTING: 14, NODE: 8}
STRANGER: Final = b"\x04" + bytes(14) + b"\x01"  # an address that no node has
# Landmarks that anybody wanted would stand up, and have nodes pinned at them, within the first second.
QUICK: Final = {"landmark_after_s": 0.0, "landmark_wait_s": 0.1, "home_s": 0.1}
AT: Final = Struct("!dii")
# Each node starts, loses a link and gets it back; the busiest one restarts; a link comes and goes; costs change; after that,
# sequences that waited, digests and what was kept of lost links are told.
SCENARIO: Final = """
about = "All that tables are told of."
[[steps]]
do = "start"
[[steps]]
do = "settle"
[[steps]]
do = "watch"
flows = 6
every_s = 0.5
[[steps]]
do = "cut"
link = "carrying"
[[steps]]
do = "settle"
[[steps]]
do = "mend"
[[steps]]
do = "settle"
[[steps]]
do = "restart"
node = "hub"
[[steps]]
do = "settle"
[[steps]]
do = "flap"
times = 3
[[steps]]
do = "partition"
[[steps]]
do = "wait"
s = 5
[[steps]]
do = "merge"
[[steps]]
do = "kill"
[[steps]]
do = "join"
nodes = 1
[[steps]]
do = "wait"
s = 70
[[steps]]
do = "settle"
"""


class Wires:
    """What is on all wires of a run: a hash of the bytes, with their times and ends, and the kinds of messages."""

    def __init__(self) -> None:
        self.said: Counter[str] = Counter()
        self._hash = blake2b(digest_size=16)

    def add(self, data: bytes, at: float, one: int, other: int) -> None:
        """Adds bytes of one node to another."""
        self._hash.update(AT.pack(at, one, other) + data)

    def add_items(self, items: Sequence[Item]) -> None:
        """Counts control messages by their types."""
        self.said.update(type(item).__name__ for item in items)
        self.said["landmarks"] += sum(
            isinstance(item, Update) and item.announcement is not None and item.announcement.flags & LANDMARK != 0
            for item in items
        )

    def add_trains(self, frame: bytes) -> None:
        """Counts the trains of an opened frame by their types, those in wrappers too."""
        position = FRAME_HEADER.size
        while frame[0] == DATA and position < len(frame):
            header = TRAIN_HEADER.unpack_from(frame, position)
            self.said[f"train {header[2]:#x}"] += 1
            if header[2] == RELAY:
                self.said[f"train {TRAIN_HEADER.unpack_from(frame, position + WRAPPER_BYTES)[2]:#x}"] += 1
            position += TRAIN_HEADER.size + (header[4] & LENGTH_MASK)

    def digest(self) -> str:
        """Returns the hash of all bytes so far."""
        return self._hash.hexdigest()


OF_SMALL_TABLES: Final = {
    "Pin",
    "landmarks",
    *(f"train {kind:#x}" for kind in (RELAY, LOOKUP, ANSWER)),
    *(f"item {kind:#x}" for kind in (ITEM_MEETING, ITEM_HOMES)),
}


def played(
    monkeypatch: pytest.MonkeyPatch, path: Path, fidelity: str, scope: int, *, topology: str = "ba:m=2", seed: int = 1
) -> tuple[Wires, Any]:
    """Plays the scenario with tables for so many nodes; returns what was on the wires, and the summary of the run."""
    path = path / "all.toml"
    path.write_text(SCENARIO)
    parameters: dict[str, Any] = {"scope": scope, **QUICK}
    wires = Wires()
    with monkeypatch.context() as patched:
        if fidelity == NODE:
            begun = Run(RunSpec(topology, NODES[fidelity], str(path), seed, NODE, parameters))
            watch_nodes(patched, wires, begun)
        else:
            begun = Run(RunSpec(topology, NODES[fidelity], str(path), seed, ROUTING, parameters))
            watch_engines(patched, wires)
        summary = list(begun.records())[-1]
    assert wires.said["Update"] > 500
    return wires, summary


def watch_engines(patched: pytest.MonkeyPatch, wires: Wires) -> None:
    """Has all that engines send noted."""
    send = RoutingMesh._send

    def watched(mesh: RoutingMesh, node: SimulatedNode, end: End, items: list[Item]) -> None:
        wires.add_items(items)
        wires.add(b"".join(map(encode_item, items)), mesh.now, node.index, end.other.node.index)
        send(mesh, node, end, items)

    patched.setattr(RoutingMesh, "_send", watched)


def watch_nodes(patched: pytest.MonkeyPatch, wires: Wires, begun: Run) -> None:
    """Has all datagrams noted, and what is in them when it arrives; packets for nobody look for their way."""
    mesh = begun.stage.mesh
    assert isinstance(mesh, NodeMesh)
    receive, receive_frame, handle_item = RoutingEngine.receive, Receiving.receive_frame, Receiving._handle_item

    def passes(sender: str, receiver: str, data: bytes) -> bool:
        wires.add(sender.encode() + receiver.encode() + data, mesh.now, 0, 0)
        return True

    def received(engine: RoutingEngine, neighbour: bytes, items: Sequence[Item], *, now: float) -> None:
        wires.add_items(items)
        receive(engine, neighbour, items, now=now)

    def received_frame(receiving: Receiving, frame: memoryview, *, now: float, neighbour: bytes = b"") -> None:
        wires.add_trains(bytes(frame))
        receive_frame(receiving, frame, now=now, neighbour=neighbour)

    def handled(receiving: Receiving, kind: int, *arguments: Any, now: float) -> None:
        wires.said[f"item {kind:#x}"] += 1
        handle_item(receiving, kind, *arguments, now=now)

    mesh.network.passes = passes
    patched.setattr(RoutingEngine, "receive", received)
    patched.setattr(Receiving, "receive_frame", received_frame)
    patched.setattr(Receiving, "_handle_item", handled)
    for node in range(NODES[NODE]):
        mesh.heap.at(30.0 + node, ask, mesh, node)


def ask(mesh: NodeMesh, node: int) -> None:
    """Has a node that runs send a packet to nobody."""
    if mesh.engine(node) is not None:
        mesh.send_packets(node, [udp_packet(mesh.address(node), STRANGER, b"who?")])


@pytest.mark.parametrize(
    ("fidelity", "topology", "seed"),
    [(ROUTING, "ba:m=2", 1), (ROUTING, "geometric", 2), (ROUTING, "internet", 3), (NODE, "ba:m=2", 1)],
)
def test_tables_with_room_for_all_are_told_the_very_same(
    fidelity: str, topology: str, seed: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    everybody, right = played(monkeypatch, tmp_path, fidelity, DESTINATIONS, topology=topology, seed=seed)
    assert not {kind for kind in OF_SMALL_TABLES if everybody.said[kind]}
    just_enough = NODES[fidelity] + 1  # the node that joins is one more; DESTINATIONS is without any limit
    # from shares_from places on neighbours share some of them
    for scope, shares_from in ((just_enough, SHARES_FROM), (just_enough, 4), (DESTINATIONS - 1, SHARES_FROM)):
        if fidelity == NODE and scope != just_enough:
            continue
        monkeypatch.setattr(scopes, "SHARES_FROM", shares_from)
        wires, summary = played(monkeypatch, tmp_path, fidelity, scope, topology=topology, seed=seed)
        assert wires.said == everybody.said
        assert wires.digest() == everybody.digest()
        assert summary["log_hash"] == right["log_hash"]


@pytest.mark.parametrize("fidelity", [ROUTING, NODE])
def test_smaller_tables_are_told_of_all_that_larger_ones_are_not(
    fidelity: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wires, _ = played(monkeypatch, tmp_path, fidelity, 4)
    expected = OF_SMALL_TABLES if fidelity == NODE else {"Pin", "landmarks"}
    assert {kind for kind in OF_SMALL_TABLES if wires.said[kind]} == expected
