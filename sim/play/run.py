"""A run: from a topology, a scenario and a seed to records.

    run(spec) -> run, actions, samples, outages, ..., one node record per node, stretch, map, summary

The same spec gives the same records in any process, except for wall-clock times and memory.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import networkx
from msgspec import Struct

from mycelium.errors import ConfigError

from ..graphs.topology import make_topology
from ..net.link import LinkModel
from ..net.mesh import Mesh
from ..net.node_mesh import NodeMesh, NodeMeshSettings
from ..net.routing_mesh import RoutingMesh, RoutingSettings
from .actions import perform
from .invariants import InvariantBroken
from .memory import CollectorOff, HugePages
from .outcome import ending
from .scenario import Scenario, load
from .stage import Stage
from .values import check_values, defaults_of, with_values

ROUTING: Final = "routing"
NODE: Final = "node"
FIDELITIES: Final = (ROUTING, NODE)

# Parameters of a mesh with more nodes than that: its tables, all together, would not fit into memory.
FULL_TABLES: Final = 4_096
_LARGE: Final = {"scope": 128, "landmark_after_s": 0.0, "landmark_wait_s": 0.3}

_CHECKS: Final = {"black_hole_s": 10.0, "stride": 0}
_LINK: Final = defaults_of(LinkModel)
_OF_FIDELITY: Final = {ROUTING: defaults_of(RoutingSettings), NODE: defaults_of(NodeMeshSettings)}


class RunSpec(Struct, frozen=True):
    """What to run. `parameters` can be those of the scenario, of links, of routing and of the checks."""

    topology: str
    nodes: int
    scenario: str
    seed: int = 1
    fidelity: str = ROUTING
    parameters: dict[str, Any] = {}


def run(spec: RunSpec) -> Iterator[dict[str, Any]]:
    """Runs a spec and yields its records as they arise, the summary last; raises ConfigError for an invalid spec.

    Closing the iterator ends the run without a summary. Setting `Run.interrupted` ends it with one.
    """
    yield from Run(spec).records()


def run_to_file(spec: RunSpec, path: Path) -> dict[str, Any]:
    """Runs a spec, writes its records as JSON lines and returns the summary; raises ConfigError."""
    summary: dict[str, Any] = {}
    with path.open("wb") as file:
        for record in run(spec):
            file.write(msgspec.json.encode(record) + b"\n")
            summary = record
    return summary


class Run:
    """A run that can be observed and interrupted."""

    def __init__(self, spec: RunSpec) -> None:
        self.spec = spec
        self.scenario: Scenario = load(spec.scenario, spec.parameters)
        defaults = {**_CHECKS, **_LINK, **_OF_FIDELITY.get(spec.fidelity, {})}
        _refuse_unknown(spec, [*self.scenario.parameters, *defaults])
        check_values(spec.parameters, defaults)
        if self.scenario.fidelity not in (None, spec.fidelity):
            raise ConfigError(f"scenario {self.scenario.name} needs --fidelity {self.scenario.fidelity}")
        self.interrupted = False  # set from outside: the run ends early, with its last records
        self.graph: networkx.Graph[int] = make_topology(spec.topology, spec.nodes, spec.seed)
        if spec.fidelity == ROUTING and len(self.graph) > FULL_TABLES:
            self.spec = spec = msgspec.structs.replace(spec, parameters={**_LARGE, **spec.parameters})
        self.stage = Stage(make_mesh(spec), self.graph, **_chosen(_CHECKS, spec.parameters))

    def records(self) -> Iterator[dict[str, Any]]:
        """Yields all records."""
        spec = self.spec
        yield {
            "type": "run",
            "topology": spec.topology,
            "nodes": len(self.graph),
            "links": self.graph.number_of_edges(),
            "scenario": self.scenario.name,
            "seed": spec.seed,
            "fidelity": spec.fidelity,
            "parameters": {**spec.parameters, **self.scenario.parameters},
        }
        violations: list[dict[str, Any]] = []
        with CollectorOff():
            try:
                yield from self._play()
                if not self.interrupted:
                    violations = self.stage.broken_promises(self.scenario.promises)
            except InvariantBroken as broken:
                violations = [broken.record]
            yield from self.stage.take_records()
            yield from ending(self.stage, violations, self.scenario.promises, self._reproduction())

    def _play(self) -> Iterator[dict[str, Any]]:
        pages = HugePages()
        for step in self.scenario.steps:
            try:
                action = perform(self.stage, step.do, step.arguments)
            except TypeError as error:
                raise ConfigError(f"scenario {self.scenario.name}, {step.do}: {error}") from error
            for _ in action:
                pages.look()
                yield from self.stage.take_records()
                if self.interrupted:
                    self.stage.act("interrupted")
                    return

    def _reproduction(self) -> dict[str, Any]:
        """Returns what is needed to reproduce the run."""
        spec = self.spec
        settings = [f"--set {key}={value}" for key, value in spec.parameters.items()]
        command = [
            "mycelium-sim run",
            f"--topology {spec.topology} --nodes {spec.nodes} --scenario {spec.scenario} --seed {spec.seed}",
            f"--fidelity {spec.fidelity}",
            *settings,
        ]
        return {
            "command": " ".join(command),
            "steps": [{"do": step.do, **step.arguments} for step in self.scenario.steps],
        }


def make_mesh(spec: RunSpec) -> Mesh:
    """Returns the empty mesh of a run; raises ConfigError."""
    links = {name: spec.parameters[name] for name in _LINK if name in spec.parameters}
    if spec.fidelity == ROUTING:
        settings = with_values(RoutingSettings(), spec.parameters)
        return RoutingMesh(seed=spec.seed, link_defaults=links, settings=settings)
    if spec.fidelity == NODE:
        return NodeMesh(seed=spec.seed, link_defaults=links, settings=with_values(NodeMeshSettings(), spec.parameters))
    raise ConfigError(f"{spec.fidelity!r} is not a fidelity; the fidelities are {', '.join(FIDELITIES)}")


def _chosen(defaults: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    return {name: values.get(name, default) for name, default in defaults.items()}


def _refuse_unknown(spec: RunSpec, known: list[str]) -> None:
    for name in spec.parameters:
        if name not in known:
            raise ConfigError(f"{name!r} is not a parameter; the parameters are {', '.join(known)}")
