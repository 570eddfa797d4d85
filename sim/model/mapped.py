"""The graph of a model: arrays in place of objects, so that it may have a million nodes."""

from collections.abc import Iterator
from heapq import heappop, heappush, heapreplace
from itertools import islice
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
        by_cost = np.lexsort((self.graph.indices, self.graph.data, np.repeat(np.arange(self.size), self.degrees)))
        self._starts = self.graph.indptr.tolist()
        self._neighbours = self.graph.indices[by_cost].tolist()  # of one node after the other, the nearest first
        self._costs = self.graph.data[by_cost].tolist()
        self._balls: dict[int, dict[int, float]] = {}
        self._edges: dict[int, tuple[float, int]] = {}

    def distances(self, sources: list[int]) -> Costs:
        """Returns a row of metrics to all nodes for each source."""
        found: Costs = dijkstra(self.graph, indices=sources)
        return found

    def ways(self, source: int, roots: set[int], count: int) -> dict[int, list[int]]:
        """Returns so many of the nearest roots, the nearest first, and the nodes of a shortest way to each, source included."""
        before: dict[int, int] = {}
        found: dict[int, list[int]] = {}
        for node, _, previous in self.outward(source):
            before[node] = previous
            if node in roots:
                way = found[node] = [node]
                while way[-1] != source:
                    way.append(before[way[-1]])
                way.reverse()
                if len(found) == count:
                    break
        return found

    def ball(self, node: int, nodes: int) -> dict[int, float]:
        """Returns the nearest nodes, this one included, with their metrics, in ascending order."""
        known = self._balls.get(node)
        if known is None:
            known = self._balls[node] = {other: metric for other, metric, _ in islice(self.outward(node), nodes)}
        return known

    def edge(self, node: int, nodes: int) -> tuple[float, int]:
        """Returns the metric and the number of the last of so many nearest nodes: the others have smaller ones."""
        known = self._edges.get(node)
        if known is None:
            *_, (last, metric, _) = islice(self.outward(node), nodes)
            known = self._edges[node] = metric, last
        return known

    def outward(self, source: int) -> Iterator[tuple[int, float, int]]:
        """Yields each node by ascending metric and number, this one first, with its metric and the node before it on the way.

        Of each node that was found only its next link waits to be looked at, so a hub costs what is used of its links.
        """
        starts, neighbours, costs = self._starts, self._neighbours, self._costs
        metrics: dict[int, float] = {}
        heap = [(0.0, source, source, starts[source + 1])]
        while heap:
            metric, node, before, link = heap[0]
            is_found = node in metrics
            if not is_found:
                metrics[node] = metric
            link, end = link + 1, starts[before + 1]
            while link < end and neighbours[link] in metrics:
                link += 1
            if link < end:
                heapreplace(heap, (metrics[before] + costs[link], neighbours[link], before, link))
            else:
                heappop(heap)
            if is_found:
                continue
            link, end = starts[node], starts[node + 1]
            while link < end and neighbours[link] in metrics:
                link += 1
            if link < end:
                heappush(heap, (metric + costs[link], neighbours[link], node, link))
            yield node, metric, before


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
