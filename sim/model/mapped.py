"""The graph of a model: arrays in place of objects, so that it may have a million nodes."""

from heapq import heappop, heappush
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from mycelium.errors import ConfigError
from mycelium.limits import SIM_NODES
from mycelium.routing.metric import link_cost

from ..graphs.topology import DELAY_MAX_S, DELAY_MIN_S, make_topology

LINKS_EACH: Final = 2  # that a node comes with, in graphs beyond what topologies are made for
_HUGE: Final = f"ba:m={LINKS_EACH}"

Costs = NDArray[np.float64]
Nodes = NDArray[np.int64]


class Mapped:
    """A connected graph. Costs of links are the metric's."""

    def __init__(self, topology: str, nodes: int, seed: int) -> None:
        ends, costs = _made(topology, nodes, seed) if nodes <= SIM_NODES else _drawn(topology, nodes, seed)
        self.size = int(ends.max()) + 1
        both = np.concatenate((ends, ends[::-1]), axis=1)
        self.graph = csr_array((np.concatenate((costs, costs)), (both[0], both[1])), shape=(self.size, self.size))
        self.degrees: Nodes = np.diff(self.graph.indptr)
        self._starts = self.graph.indptr.tolist()
        self._neighbours = self.graph.indices.tolist()
        self._costs = self.graph.data.tolist()
        self._balls: dict[int, dict[int, float]] = {}

    def distances(self, sources: list[int]) -> Costs:
        """Returns a row of metrics to all nodes for each source."""
        found: Costs = dijkstra(self.graph, indices=sources)
        return found

    def towards(self, roots: list[int], count: int) -> list[dict[int, int]]:
        """Returns for each node its nearest roots, so many, and the next node on the way to each: the node where it is one.

        Whoever is on the way to one of the nearest has it among its nearest too.
        """
        found: list[dict[int, int]] = [{} for _ in range(self.size)]
        heap = [(0.0, root, root, root) for root in roots]
        while heap:
            metric, root, node, following = heappop(heap)
            nearest = found[node]
            if root in nearest or len(nearest) == count:
                continue
            nearest[root] = following
            for index in range(self._starts[node], self._starts[node + 1]):
                neighbour = self._neighbours[index]
                if len(found[neighbour]) < count:
                    heappush(heap, (metric + self._costs[index], root, neighbour, node))
        return found

    def ball(self, node: int, nodes: int) -> dict[int, float]:
        """Returns the nearest nodes, this one included, with their metrics, in ascending order."""
        known = self._balls.get(node)
        if known is None:
            known = self._balls[node] = self.search(node, nodes)
        return known

    def search(self, source: int, nodes: int) -> dict[int, float]:
        """Finds what `ball` returns, and keeps nothing."""
        found: dict[int, float] = {}
        heap = [(0.0, source)]
        while heap and len(found) < nodes:
            metric, node = heappop(heap)
            if node in found:
                continue
            found[node] = metric
            for index in range(self._starts[node], self._starts[node + 1]):
                neighbour = self._neighbours[index]
                if neighbour not in found:
                    heappush(heap, (metric + self._costs[index], neighbour))
        return found


def _made(topology: str, nodes: int, seed: int) -> tuple[Nodes, Costs]:
    graph = make_topology(topology, nodes, seed)
    links = list(graph.edges(data=True))
    costs = [data.get("cost") or link_cost(2 * data["delay"], 0.0) for _, _, data in links]
    return np.array([link[:2] for link in links], np.int64).T, np.array(costs, np.float64)


def _drawn(topology: str, nodes: int, seed: int) -> tuple[Nodes, Costs]:
    """Attaches each node to others in proportion to the links that they have, as the topology ba does, the only one here."""
    if topology != _HUGE:
        raise ConfigError(f"a model of more than {SIM_NODES} nodes needs the topology {_HUGE}, not {topology!r}")
    rng = Random(f"model/{seed}")
    ends = np.empty((2, LINKS_EACH * (nodes - LINKS_EACH)), np.int64)
    drawn_from: list[int] = []
    targets = list(range(LINKS_EACH))
    position = 0
    for node in range(LINKS_EACH, nodes):
        for target in targets:
            ends[0, position], ends[1, position] = target, node
            position += 1
        drawn_from += [*targets, *(node,) * LINKS_EACH]
        chosen: dict[int, None] = {}
        while len(chosen) < LINKS_EACH:
            chosen[rng.choice(drawn_from)] = None
        targets = list(chosen)
    delays = np.random.default_rng(seed).uniform(DELAY_MIN_S, DELAY_MAX_S, position)
    return ends, np.array([link_cost(2 * delay, 0.0) for delay in delays.tolist()], np.float64)
