"""The oracle: the right metrics, by Dijkstra's algorithm over the links with the costs that their ends use.

A metric is right if it equals the oracle's exactly. The matrix is computed again only after the cost of a link has changed.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from mycelium.routing.engine import RoutingEngine
from mycelium.wire.distance import INFINITY

from ..net.mesh import Mesh

CHECKED_MISMATCHES: Final = 20  # named in a report; all are counted

Edge = tuple[int, int, int]  # node, neighbour, cost to that node
Metrics = NDArray[np.uint32]


def present_edges(mesh: Mesh) -> list[Edge]:
    """Returns the links that nodes use, with what they count them for."""
    # A liar can attract traffic but never forwards any, so its links lead to itself only.
    edges = []
    for node in mesh.running():
        engine = mesh.engine(node)
        if engine is None or node in mesh.liars:
            continue
        for address, cost in engine.link_costs().items():
            if cost < INFINITY:
                edges.append((node, mesh.index_of[address], cost))
    return edges


def graph_of(size: int, edges: list[Edge]) -> csr_array:
    """Returns the graph of so many nodes."""
    nodes, neighbours, costs = zip(*edges, strict=True) if edges else ((), (), ())
    return csr_array((np.array(costs, np.float64), (nodes, neighbours)), shape=(size, size))


def metrics_from(graph: csr_array, sources: list[int] | None = None) -> Metrics:
    """Returns a row of metrics for each source, or for each node: INFINITY where there is no path."""
    distances = dijkstra(graph, directed=True, indices=sources)
    distances[~np.isfinite(distances)] = INFINITY
    metrics: Metrics = distances.astype(np.uint32)
    return metrics


class Oracle:
    """The shortest paths of a mesh."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._seen: tuple[int, list[Edge]] = (0, [])  # number of nodes and links of the matrix
        self._metrics: Metrics = np.zeros((0, 0), np.uint32)
        self._reached: list[int] = []  # number of nodes that each one reaches, itself included
        self._judged: dict[
            int, tuple[RoutingEngine, int, bool]
        ] = {}  # verdict, and the number of choices after which it was made
        self._wrong: dict[int, int] = {}  # node -> a destination whose metric was wrong

    def refresh(self) -> None:
        """Computes all shortest paths again if any link has changed."""
        edges = present_edges(self._mesh)
        size = max(self._mesh.epochs, default=-1) + 1
        if (size, edges) == self._seen:
            return
        self._seen = size, edges
        self._judged.clear()
        self._metrics = metrics_from(graph_of(size, edges))
        self._reached = np.count_nonzero(self._metrics != INFINITY, axis=1).tolist()

    def converged(self) -> int:
        """Returns the number of running nodes whose metrics are all right, as of the last `refresh`."""
        return sum(self._is_right(node) for node in self._mesh.running())

    def _is_right(self, node: int) -> bool:
        if node in self._mesh.liars:
            return True
        engine = self._mesh.engine(node)
        assert engine is not None
        last, choices, is_right = self._judged.get(node, (None, 0, False))
        if last is not engine or choices != engine.choices:
            is_right = self._judge(node, engine)
            self._judged[node] = engine, engine.choices, is_right
        return is_right

    def _judge(self, node: int, engine: RoutingEngine) -> bool:
        """Compares the number of routes, then the metric last found wrong, which usually decide while a mesh converges."""
        if len(engine.forwarding.next_hop) + 1 != self._reached[node]:
            return False
        wrong = self._wrong.pop(node, None)
        if wrong is None or engine.metric(self._mesh.address(wrong)) == self.metric(node, wrong):
            first = next(self._unequal(node, engine), None)
            if first is None:
                return True  # no route is missing and none is wrong
            wrong = first[0]
        if wrong >= 0:
            self._wrong[node] = wrong
        return False

    def _unequal(self, node: int, engine: RoutingEngine) -> Iterator[tuple[int, int, int]]:
        """Yields (destination, metric, expected metric) for each wrong metric; the destination is -1 for an unknown address."""
        expected = [*self._metrics[node].tolist(), INFINITY]
        index_of = self._mesh.index_of
        for address, metric in engine.metrics():
            destination = index_of.get(address, -1)
            if metric != expected[destination]:
                yield destination, metric, expected[destination]

    def _missing(self, node: int, engine: RoutingEngine) -> Iterator[tuple[int, int, int]]:
        """Yields the same for each destination that the node should reach but does not know."""
        known = {self._mesh.index_of.get(address, -1) for address, _ in engine.metrics()}
        for destination, metric in enumerate(self._metrics[node].tolist()):
            if metric < INFINITY and destination not in known:
                yield destination, INFINITY, metric

    def mismatches(self) -> tuple[int, list[dict[str, int]]]:
        """Returns the number of wrong metrics, and records of the first ones."""
        count = 0
        named: list[dict[str, int]] = []
        for node in self._mesh.running():
            engine = self._mesh.engine(node)
            if engine is None or node in self._mesh.liars:
                continue
            for destination, metric, right in chain(self._unequal(node, engine), self._missing(node, engine)):
                count += 1
                if len(named) < CHECKED_MISMATCHES:
                    named.append({"node": node, "destination": destination, "metric": metric, "expected": right})
        return count, named

    def metric(self, node: int, destination: int) -> int:
        """Returns the right metric of a destination at a node, INFINITY if there is no path."""
        return int(self._metrics[node, destination])
