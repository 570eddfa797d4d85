"""The oracle of a mesh that has more nodes than its tables hold: what is in scope at a sample of nodes, never all pairs.

A node is right that has exact routes to the nearest nodes, which have all places in its scope that neighbours do not share,
and to all landmarks; that has routes to as many nodes as its scope has places, exact or not; and that has a home that reaches
it if it is no landmark itself.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mycelium.routing.engine import RoutingEngine
from mycelium.routing.scope import shared_places
from mycelium.wire.distance import INFINITY

from ..net.mesh import Mesh
from .oracle import CHECKED_MISMATCHES, Edge, Metrics, graph_of, metrics_from, present_edges

JUDGED: Final = 200  # nodes
_NO_HOME: Final = -1  # in place of a destination
_TOO_FEW: Final = -2


class ScopedOracle:
    """Shortest paths from some nodes."""

    def __init__(self, mesh: Mesh, scope: int) -> None:
        self._mesh = mesh
        self._scope = scope
        self._seen: tuple[int, list[Edge]] = (0, [])  # number of nodes and links of the graph
        self._graph = csr_array((0, 0), dtype=np.float64)
        self._judged: list[int] = []
        self._metrics: dict[int, Metrics] = {}
        self._nearest: dict[int, list[int]] = {}
        self._wrong: dict[int, int] = {}  # node -> a destination whose route was wrong
        self._asked: tuple[int, Metrics] = (-1, np.zeros(0, np.uint32))  # the last source that is not judged

    def refresh(self) -> None:
        """Computes the shortest paths again if any link has changed."""
        edges = present_edges(self._mesh)
        size = max(self._mesh.epochs, default=-1) + 1
        if (size, edges) == self._seen:
            return
        self._seen = size, edges
        self._asked = -1, self._asked[1]
        self._wrong.clear()
        self._graph = graph_of(size, edges)
        running = list(self._mesh.running())
        self._judged = running[:: max(len(running) // JUDGED, 1)]
        self._metrics = dict(zip(self._judged, metrics_from(self._graph, self._judged), strict=True))
        rank = np.argsort(np.argsort([self._mesh.address(node) for node in range(size)]))
        self._nearest = {node: self._nearest_of(metrics, rank) for node, metrics in self._metrics.items()}

    def _nearest_of(self, metrics: Metrics, rank: NDArray[np.intp]) -> list[int]:
        """Returns the nodes that are nearest by metric, then by address, the node itself included, that surely have places."""
        order = np.lexsort((rank, metrics))[: self._scope - shared_places(self._scope)]
        return [int(node) for node in order if metrics[node] != INFINITY]

    def converged(self) -> int:
        """Returns how many running nodes are right, as far as those tell that are judged."""
        landmarks = self._landmarks()
        right = sum(self._is_right(node, landmarks) for node in self._judged)
        return len(self._mesh.tables) * right // max(len(self._judged), 1)

    def _is_right(self, node: int, landmarks: list[int]) -> bool:
        """Compares the route last found wrong first, which usually decides while a mesh converges."""
        wrong = next(self._unequal(node, landmarks, first=self._wrong.pop(node, _NO_HOME)), None)
        if wrong is not None:
            self._wrong[node] = wrong[0]
        return wrong is None

    def _landmarks(self) -> list[int]:
        engines = ((node, self._mesh.engine(node)) for node in self._mesh.running())
        return [node for node, engine in engines if engine is not None and engine.is_landmark]

    def _unequal(self, node: int, landmarks: list[int], *, first: int = _NO_HOME) -> Iterator[tuple[int, int, int]]:
        """Yields (destination, metric, expected metric) for each wrong or missing route, that to `first` before the others.

        For want of a home that reaches the node the destination is _NO_HOME, of routes to fill its scope, _TOO_FEW.
        """
        engine = self._mesh.engine(node)
        if engine is None or node in self._mesh.liars:
            return
        metrics = self._metrics[node]
        wanted = [*self._nearest[node], *landmarks]
        if first in wanted:  # it may be a landmark no longer
            wanted.remove(first)
            wanted.insert(0, first)
        next_hop, address_of = engine.forwarding.next_hop, self._mesh.address
        for destination, expected in zip(wanted, metrics[wanted].tolist(), strict=True):
            address = address_of(destination)
            metric = engine.metric(address) if address in next_hop or destination == node else INFINITY
            if metric != expected:
                yield destination, metric, expected
        reachable = int(np.count_nonzero(metrics != INFINITY))
        if len(next_hop) + 1 < min(self._scope, reachable):
            yield _TOO_FEW, INFINITY, 0
        if self._scope < reachable and not engine.is_landmark and not self._is_at_home(engine):
            yield _NO_HOME, INFINITY, 0

    def _is_at_home(self, engine: RoutingEngine) -> bool:
        """Tells whether a node has a home from which it is reached."""
        home = None if engine.home is None else self._mesh.engine(self._mesh.index_of[engine.home])
        return home is not None and engine.node in home.forwarding.next_hop

    def mismatches(self) -> tuple[int, list[dict[str, int]]]:
        """Returns the number of wrong metrics of nodes that are judged, and records of the first ones."""
        landmarks, count = self._landmarks(), 0
        named: list[dict[str, int]] = []
        for node in self._judged:
            for destination, metric, right in self._unequal(node, landmarks):
                count += 1
                if len(named) < CHECKED_MISMATCHES:
                    named.append({"node": node, "destination": destination, "metric": metric, "expected": right})
        return count, named

    def metric(self, node: int, destination: int) -> int:
        """Returns the right metric of a destination at a node, INFINITY if there is no path."""
        metrics = self._metrics.get(node)
        if metrics is None:
            if self._asked[0] != node:
                self._asked = node, metrics_from(self._graph, [node])[0]
            metrics = self._asked[1]
        return int(metrics[destination])
