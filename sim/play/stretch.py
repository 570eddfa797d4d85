"""Sampled paths at the end of a run: whether they arrive, and how much longer than the shortest ones they are.

Where tables are smaller than the mesh there are two figures: of the first packet, by its destination's home, and of those
after the ends have told each other what is near them, by the node with the least sum of both metrics, at most so long.
"""

import itertools
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from mycelium.routing.engine import RoutingEngine
from mycelium.wire.distance import INFINITY

from .stage import Stage

PAIRS: Final = 10_000
SOURCES: Final = 500  # from which shortest paths are computed
_PLACES: Final = 4


class SampledPaths(Struct):
    """Costs of paths, each divided by that of the shortest one, and how many destinations are not reached."""

    stretch: list[float]
    met: list[float]  # the same once the ends have met; nothing where all nodes are in all tables
    undelivered: int = 0


def sample_paths(stage: Stage) -> SampledPaths:
    """Follows the paths of random pairs between which there is one."""
    mesh, found = stage.mesh, SampledPaths([], [])
    is_scoped = mesh.scope < len(mesh.tables)
    for source, destinations in _pairs(stage):
        near = _near(mesh.engine(source)) if is_scoped else {}
        for destination in destinations:
            path, stop = stage.flows.path(source, destination)
            shortest = stage.oracle.metric(source, destination)
            if shortest == INFINITY:
                continue
            if stop:
                found.undelivered += 1
                continue
            taken = sum(mesh.cost_of(mesh.link(a, b), a) for a, b in itertools.pairwise(path))
            found.stretch.append(round(taken / shortest, _PLACES))
            if is_scoped:
                met = taken if mesh.address(destination) in near else _met(near, _near(mesh.engine(destination)))
                found.met.append(round(met / shortest, _PLACES))
    return found


def _pairs(stage: Stage) -> Iterator[tuple[int, list[int]]]:
    """Yields nodes, and for each some of the others."""
    running = list(stage.mesh.running())
    if len(running) < 2:
        return
    sources = stage.dice.sample(running, min(SOURCES, len(running)))
    each = min(PAIRS // len(sources), len(running) - 1)
    for source in sources:
        yield source, [node for node in stage.dice.sample(running, each + 1) if node != source][:each]


def _near(engine: RoutingEngine | None) -> dict[bytes, int]:
    """Returns the metrics of the nodes to which a node has a route."""
    return {} if engine is None else {node: engine.metric(node) for node in engine.forwarding.next_hop}


def _met(one: dict[bytes, int], other: dict[bytes, int]) -> int:
    """Returns the least sum of the metrics of a node that both have."""
    return min((one[node] + other[node] for node in one.keys() & other.keys()), default=INFINITY)
