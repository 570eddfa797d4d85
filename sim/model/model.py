"""What small tables cost in a network of any size, by formulas, without nodes: rows, stretch, lookups.

Landmarks stand where too few are near a node, hubs first; each node's homes are the nearest landmarks,
and nodes on the way there keep a pin. Stretch is that of the paths of some pairs, walked as packets walk them: towards the home
of the destination, until a node has the destination in scope.
"""

from collections.abc import Iterator
from itertools import islice
from math import inf
from random import Random
from typing import Final

import numpy as np
from msgspec import Struct

from mycelium.limits import VICINITY_NODES
from mycelium.routing.landmarks import HOMES, near_metric, wanted
from mycelium.routing.metric import COST_UNIT_S
from mycelium.wire.meeting import VICINITY_ENTRY

from ..quantiles import Quantiles, quantiles
from .mapped import Costs, Mapped

REPLICAS: Final = 3  # landmarks that keep the home record of a node
SAMPLES: Final = 32  # sources, and as many destinations
# that a node sends of each route, to each neighbour but one, in a cold start: runs of 1,000 to 10,000 nodes sent 199 to 232
BYTES_PER_ROUTE: Final = 216.0
ALL_ASKED: Final = 100_000  # nodes of a network in which each one is asked whether it stands up
FIRST_ASKED: Final = 4_000  # nodes with most links, of a larger one, of which each is asked
WALKED: Final = 4_000  # nodes whose ways home are walked
ASKED: Final = 800  # nodes that are asked of each further block of nodes
FAR: Final = 15  # nodes whose metrics stand for those of all landmarks
BLOCK: Final = 4  # a block has one for so many nodes before it: those of one block do not see each other


class Modelled(Struct, frozen=True):
    """What a network of this size costs. Stretch is the cost of a path, divided by that of the shortest one."""

    topology: str
    nodes: int
    scope: int
    landmarks: int
    pins: float  # that a node keeps, mean
    rows: float  # routes in use, mean
    first: Quantiles  # stretch of the first packet
    mean_first: float
    later: Quantiles  # once both ends know both homes
    mean_later: float
    met: Quantiles  # once they meet at the best node that both know
    mean_met: float
    exact: float  # share of pairs that then have a shortest path
    lookup_ms: Quantiles  # round trip to the nearest replica
    vicinity_bytes: int  # that one end of a session tells the other
    start_bytes: int  # that a node sends in a cold start


class Model:
    """One network."""

    def __init__(self, topology: str, nodes: int, scope: int, seed: int) -> None:
        self._topology = topology
        self._scope = scope
        self._dice = Random(f"model/{topology}/{nodes}/{scope}/{seed}")
        self._map = Mapped(topology, nodes, seed)
        self._standing = self._elected()
        self.landmarks = sorted(self._standing)

    def _elected(self) -> set[int]:
        """Returns landmarks: nodes stand up, hubs mostly first, unless enough of those before are among their nearest.

        Of a network of very many nodes some are asked, and what they say holds for others of about as many links.
        """
        degrees, dice = self._map.degrees.tolist(), self._dice
        self._medians = np.median(
            self._map.distances(dice.sample(range(self._map.size), min(FAR, self._map.size))), axis=0
        )
        order = sorted(range(self._map.size), key=lambda node: dice.uniform(0.5, 1.5) / degrees[node])  # as they wait
        standing: set[int] = set()
        first, size = 0, FIRST_ASKED if len(order) > ALL_ASKED else len(order)
        while first < len(order):
            block = order[first : first + size]
            asked = block if not first else dice.sample(block, min(ASKED, len(block)))
            found = [node for node in asked if self._stands_up(node, standing)]
            others = [node for node in block if node not in standing] if len(asked) < len(block) else []
            standing.update(dice.sample(others, round(len(found) * (len(block) / len(asked) - 1))))
            first += size
            size = first // BLOCK
        return standing

    def _stands_up(self, node: int, standing: set[int]) -> bool:
        enough = wanted(int(self._map.degrees[node]))
        near = (other for other in self._near(node) if other in standing)
        if len(list(islice(near, enough))) == enough:
            return False
        standing.add(node)
        return True

    def _near(self, node: int) -> Iterator[int]:
        """Yields the nodes that are near if they are landmarks."""
        most = inf
        for count, (other, metric, _) in enumerate(self._map.outward(node), 1):
            if metric > most:
                return
            yield other
            if count == self._scope:
                most = near_metric(int(self._map.degrees[node]), metric, float(self._medians[node]))

    def compute(self) -> Modelled:
        """Returns what the network costs."""
        sources, targets = self._ends(), self._ends()
        from_sources, from_targets = self._map.distances(sources), self._map.distances(targets)
        stretches: tuple[list[float], list[float], list[float]] = ([], [], [])
        lookups: list[float] = []
        for source, of_source in zip(sources, from_sources, strict=True):
            for target, of_target in zip(targets, from_targets, strict=True):
                if source == target:
                    continue
                costs = self._costs(source, target, of_source, of_target)
                for found, cost in zip(stretches, costs, strict=True):
                    found.append(round(float(cost / of_source[target]), 4))
                lookups.append(self._lookup_ms(of_source))
        first, later, met = stretches
        pins = self._pins()
        outside = len(self.landmarks) * (1 - self._scope / self._map.size)
        return Modelled(
            topology=self._topology,
            nodes=self._map.size,
            scope=self._scope,
            landmarks=len(self.landmarks),
            pins=round(pins, 2),
            rows=round(min(self._scope, self._map.size) + outside + pins, 1),
            first=_of(first),
            mean_first=round(float(np.mean(first)), 4),
            later=_of(later),
            mean_later=round(float(np.mean(later)), 4),
            met=_of(met),
            mean_met=round(float(np.mean(met)), 4),
            exact=round(sum(one <= 1 for one in met) / len(met), 4),
            lookup_ms=_of(lookups),
            start_bytes=round(self._start_bytes(pins + outside)),
            vicinity_bytes=VICINITY_ENTRY.size * (min(VICINITY_NODES, self._scope) + round(outside)),
        )

    def _start_bytes(self, others: float) -> float:
        """Returns what a node sends until tables are right: each route to all neighbours but one, some of them again."""
        links = float(self._map.degrees.mean()) - 1
        return BYTES_PER_ROUTE * links * (min(self._scope, self._map.size) + others)

    def _ends(self) -> list[int]:
        return self._dice.sample(range(self._map.size), min(SAMPLES, self._map.size))

    def _pins(self) -> float:
        """Returns how many nodes one is pinned at on average: those on the way to its homes."""
        nodes = self._dice.sample(range(self._map.size), min(WALKED, self._map.size))
        return sum(len(_pinned_at(self._map.ways(node, self._standing, HOMES))) for node in nodes) / len(nodes)

    def _costs(self, source: int, target: int, of_source: Costs, of_target: Costs) -> tuple[float, float, float]:
        """Returns the costs of the first packet, of one after the handshake, and of one by the node where both meet."""
        first = self._walk(source, target, of_source, of_target)
        later = min(first, self._walk(target, source, of_target, of_source))
        return first, later, min(later, self._met(source, target, of_source, of_target))

    def _walk(self, source: int, target: int, of_source: Costs, of_target: Costs) -> float:
        """Follows a packet towards the home of its destination, until a node has the destination in scope."""
        homes = self._map.ways(target, self._standing, HOMES)
        home = next(iter(homes))
        way_home = {target, home} | _pinned_at(homes)
        path = self._path(source, home, of_source)
        for node in path:
            if node in way_home or (of_target[node], target) <= self._map.edge(node, self._scope):
                return float(of_source[node] + of_target[node])
        raise AssertionError("a path ends at its end")

    def _path(self, source: int, end: int, of_source: Costs) -> list[int]:
        """Returns the nodes of a shortest path, found backwards from its end."""
        path, graph = [end], self._map.graph
        while path[-1] != source:
            node = path[-1]
            first, last = graph.indptr[node], graph.indptr[node + 1]
            neighbours = graph.indices[first:last]
            before = of_source[neighbours] + graph.data[first:last]
            path.append(int(neighbours[np.argmin(before)]))
        return path[::-1]

    def _met(self, source: int, target: int, of_source: Costs, of_target: Costs) -> float:
        near = self._map.ball(source, self._scope)
        told = list(self._map.ball(target, self._scope).items())[:VICINITY_NODES]
        common = [near[node] + metric for node, metric in told if node in near]
        landmarks = self.landmarks
        return min([*common, float((of_source[landmarks] + of_target[landmarks]).min())])

    def _lookup_ms(self, of_source: Costs) -> float:
        """Returns the round trip to the nearest of the landmarks that keep a record."""
        replicas = self._dice.sample(self.landmarks, min(REPLICAS, len(self.landmarks)))
        return round(2_000 * COST_UNIT_S * float(of_source[replicas].min()), 2)


def _pinned_at(homes: dict[int, list[int]]) -> set[int]:
    """Returns the nodes at which one is pinned, by the ways to its homes; a landmark is at none."""
    ways = list(homes.values())
    return set() if len(ways[0]) == 1 else {node for way in ways for node in way[1:]}


def _of(values: list[float]) -> Quantiles:
    found = quantiles(values)
    assert found is not None
    return found
