"""Sampled paths at the end of a run: whether they arrive, and how much longer than the shortest ones they are.

Where tables are smaller than the mesh there are two figures: of the first packet, by its destination's home, and of those
after the ends have told each other what is near them, by the node with the least sum of both metrics. Relays on the way
there that have the destination in their tables cut both short.
"""

import itertools
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from mycelium.routing.engine import RoutingEngine
from mycelium.wire.distance import INFINITY

from ..net.mesh import Mesh
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
            taken = _cost(mesh, path)
            found.stretch.append(round(taken / shortest, _PLACES))
            if is_scoped:
                is_near = mesh.address(destination) in near
                met = taken if is_near else _met(stage, source, destination, near, otherwise=taken)
                found.met.append(round(met / shortest, _PLACES))
    return found


def _cost(mesh: Mesh, path: tuple[int, ...]) -> int:
    return sum(mesh.cost_of(mesh.link(a, b), a) for a, b in itertools.pairwise(path))


def _met(stage: Stage, source: int, destination: int, near: dict[bytes, int], *, otherwise: int) -> int:
    """Returns the cost of the path by the best node that both ends have; from there on relays have the destination pinned.

    Ends that have none in common, or none that is reached, stay with what they have.
    """
    other = _near(stage.mesh.engine(destination))
    by = min(near.keys() & other.keys(), key=lambda node: (near[node] + other[node], node), default=None)
    if by is None:
        return otherwise
    path, stop = stage.flows.path(source, destination, by=by)
    if stop and stage.mesh.address(path[-1]) != by:
        return otherwise
    return _cost(stage.mesh, path) + (other[by] if stop else 0)


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
