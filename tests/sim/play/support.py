"""Runs, stages and violations for tests."""

from collections.abc import Iterable
from typing import Any

from sim.graphs.topology import make_topology
from sim.net.node_mesh import NodeMesh, NodeMeshSettings
from sim.play.actions import start
from sim.play.run import ROUTING, Run, RunSpec, make_mesh
from sim.play.stage import Stage


def violation_of(begun: Run) -> dict[str, Any]:
    """Runs to the end and returns the one violation."""
    (found,) = [record for record in begun.records() if record["type"] == "violation"]
    return found


def make_stage(topology: str = "ring", nodes: int = 6, fidelity: str = ROUTING, **parameters: Any) -> Stage:
    """Returns a stage with an empty mesh."""
    spec = RunSpec(topology, nodes, "start", 1, fidelity, parameters)
    return Stage(make_mesh(spec), make_topology(topology, nodes, 1), black_hole_s=10.0)


def settled_stage(topology: str = "ring", nodes: int = 6, fidelity: str = ROUTING, **parameters: Any) -> Stage:
    """Returns a stage whose mesh has been started and has settled."""
    stage = make_stage(topology, nodes, fidelity, **parameters)
    exhaust(start(stage))
    exhaust(stage.settle(within_s=30.0))
    stage.take_records()
    return stage


def node_mesh(nodes: int = 2, *, delay_s: float = 0.01) -> NodeMesh:
    """Returns a line of whole nodes that have routes to each other."""
    mesh = NodeMesh(seed=1, link_defaults={}, settings=NodeMeshSettings())
    for one in range(nodes - 1):
        mesh.add_link(one, one + 1, delay_s=delay_s).open()
    for node in range(nodes):
        mesh.start(node)
    mesh.run(5.0)
    assert all(len(table) == nodes - 1 for table in mesh.tables.values())
    return mesh


def exhaust(steps: Iterable[None]) -> None:
    """Performs an action to its end."""
    for _ in steps:
        pass
