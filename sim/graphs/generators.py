"""Generated graphs: one function per kind, which takes the number of nodes, a random generator and parameters.

They return connected graphs of the nodes 0 to n-1, with links in any order. Links have a `delay` in seconds if it follows from
their length.
"""

import math
import random
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import Final

import networkx as nx

Place = tuple[float, float]  # coordinates between 0 and 1
Builder = Callable[[int, random.Random, Mapping[str, float]], nx.Graph]

_DELAY_FLOOR_S: Final = 0.0002  # delay of the equipment between two nodes in one room
_REGION_RADIUS: Final = 0.12  # share of the map: the distance of a region's cities from its centre
_CITY_RADIUS: Final = 0.025
# share of the map: the distance at which the attraction of a transit node has fallen to 1/e
_TRANSIT_REACH: Final = 0.25
_STUB_REACH: Final = 0.03
_LAST_MILE_S: Final = (0.001, 0.010)  # delay that an access network adds to the link of a stub


def line(nodes: int, rng: random.Random, parameters: Mapping[str, float]) -> nx.Graph:
    """Chains all nodes."""
    return nx.path_graph(nodes)


def ring(nodes: int, rng: random.Random, parameters: Mapping[str, float]) -> nx.Graph:
    """Chains all nodes and joins the ends."""
    if nodes < 3:
        raise ValueError("a ring has at least 3 nodes")
    return nx.cycle_graph(nodes)


def grid(nodes: int, rng: random.Random, parameters: Mapping[str, float]) -> nx.Graph:
    """Fills a lattice row by row."""
    width = int(parameters["width"]) or math.ceil(math.sqrt(nodes))
    rows = math.ceil(nodes / width)
    graph = nx.Graph()
    for node in range(nodes):
        column, row = node % width, node // width
        graph.add_node(node, pos=(column / max(width - 1, 1), row / max(rows - 1, 1)))
        if column:
            graph.add_edge(node - 1, node)
        if row:
            graph.add_edge(node - width, node)
    return graph


def star(nodes: int, rng: random.Random, parameters: Mapping[str, float]) -> nx.Graph:
    """Joins all nodes to node 0."""
    return nx.star_graph(nodes - 1)


def tree(nodes: int, rng: random.Random, parameters: Mapping[str, float]) -> nx.Graph:
    """Gives each node `r` children, row by row."""
    return nx.full_rary_tree(int(parameters["r"]), nodes)


def barabasi_albert(nodes: int, rng: random.Random, parameters: Mapping[str, float]) -> nx.Graph:
    """Attaches each node to `m` others, in proportion to the links they have (Barabasi, Albert 1999)."""
    return nx.barabasi_albert_graph(nodes, int(parameters["m"]), seed=rng)


def hub(nodes: int, rng: random.Random, parameters: Mapping[str, float]) -> nx.Graph:
    """Adds a last node to those of `barabasi_albert`, and links it to `links` of them, drawn at random."""
    links = int(parameters["links"]) or nodes // 8
    if links >= nodes:
        raise ValueError(f"a hub has at most {nodes - 1} links, not {links}")
    graph = barabasi_albert(nodes - 1, rng, parameters)
    graph.add_edges_from((nodes - 1, other) for other in rng.sample(range(nodes - 1), links))
    return graph


def watts_strogatz(nodes: int, rng: random.Random, parameters: Mapping[str, float]) -> nx.Graph:
    """Rewires a share `p` of a ring lattice's links (Watts, Strogatz 1998), and connects the parts that result."""
    neighbours = int(parameters["k"])
    if neighbours % 2:
        raise ValueError(f"k is {neighbours}, not an even number")
    graph = nx.watts_strogatz_graph(nodes, neighbours, parameters["p"], seed=rng)
    main, *others = _parts(graph)
    for part in others:
        graph.add_edge(rng.choice(main), rng.choice(part))
    return graph


def geometric(nodes: int, rng: random.Random, parameters: Mapping[str, float]) -> nx.Graph:
    """Places nodes at random in a square and links close ones, with a distance that gives `degree` neighbours on average."""
    places = [(rng.random(), rng.random()) for _ in range(nodes)]
    radius = math.sqrt(parameters["degree"] / (math.pi * nodes))
    graph = nx.Graph()
    graph.add_nodes_from((node, {"pos": place}) for node, place in enumerate(places))
    graph.add_edges_from(nx.geometric_edges(graph, radius))
    _join_nearest(graph, places)
    _delays_from_lengths(graph, places, parameters["side"])
    return graph


def _parts(graph: nx.Graph) -> list[list[int]]:
    """Returns the connected parts, each in order, the largest first."""
    parts = (sorted(part) for part in nx.connected_components(graph))
    return sorted(parts, key=lambda part: (-len(part), part[0]))


def _join_nearest(graph: nx.Graph, places: list[Place]) -> None:
    """Links each smaller part to the nearest node of the largest one, of which it is a part from then on."""
    main, *others = _parts(graph)
    for part in others:
        pairs = ((math.dist(places[a], places[b]), a, b) for a in part for b in main)
        _, inner, outer = min(pairs)
        graph.add_edge(inner, outer)
        main += part


def _delays_from_lengths(graph: nx.Graph, places: list[Place], side_s: float) -> None:
    for a, b, attributes in graph.edges(data=True):
        attributes["delay"] = max(_DELAY_FLOOR_S, math.dist(places[a], places[b]) * side_s)


def internet(nodes: int, rng: random.Random, parameters: Mapping[str, float]) -> nx.Graph:
    """Builds transit nodes that attach to near and popular ones, and stubs that attach to one or two near transits."""
    cities = _cities(rng, int(parameters["regions"]), int(parameters["cities"]))
    homes = rng.choices(range(len(cities)), weights=[1 / (rank + 1) for rank in range(len(cities))], k=nodes)
    places = [_scatter(rng, cities[home], _CITY_RADIUS) for home in homes]
    transits = max(2, round(nodes * parameters["transit"]))
    market = _Market(homes, cities)
    graph = nx.Graph()
    graph.add_nodes_from((node, {"pos": place}) for node, place in enumerate(places))
    for node in range(nodes):
        is_transit = node < transits
        links = int(parameters["m"]) if is_transit else 1 + (rng.random() < parameters["multihomed"])
        reach = _TRANSIT_REACH if is_transit else _STUB_REACH
        for other in market.pick(rng, node, range(min(node, transits)), count=links, reach=reach):
            graph.add_edge(node, other)
    _delays_from_lengths(graph, places, parameters["side"])
    for a, b in sorted((min(edge), max(edge)) for edge in graph.edges):
        if b >= transits:
            graph.edges[a, b]["delay"] += rng.uniform(*_LAST_MILE_S)
    return graph


def _cities(rng: random.Random, regions: int, cities: int) -> list[Place]:
    """Places regions and their cities; the list is shuffled, its order is that of the cities' sizes."""
    margin = _REGION_RADIUS + _CITY_RADIUS
    middles = [(rng.uniform(margin, 1 - margin), rng.uniform(margin, 1 - margin)) for _ in range(regions)]
    places = [_scatter(rng, middle, _REGION_RADIUS) for middle in middles for _ in range(cities)]
    rng.shuffle(places)
    return places


def _scatter(rng: random.Random, middle: Place, radius: float) -> Place:
    distance, angle = radius * math.sqrt(rng.random()), rng.uniform(0, math.tau)
    return middle[0] + distance * math.cos(angle), middle[1] + distance * math.sin(angle)


class _Market:
    """Preferential attachment: attraction grows with the degree of a node and falls with the distance between cities."""

    __slots__ = ("_cities", "_degrees", "_homes", "_liking")

    def __init__(self, homes: list[int], cities: list[Place]) -> None:
        self._homes = homes
        self._cities = cities
        self._degrees = [0] * len(homes)
        self._liking: dict[tuple[float, int], list[float]] = {}

    def pick(
        self, rng: random.Random, node: int, candidates: Iterable[int], *, count: int, reach: float
    ) -> dict[int, None]:
        """Picks up to `count` different candidates, in a dict for its order, and counts the links."""
        likings = self._likings(self._homes[node], reach)
        pool = list(candidates)
        cumulative = list(accumulate((self._degrees[other] + 1) * likings[self._homes[other]] for other in pool))
        picked: dict[int, None] = {}
        wanted = min(count, len(pool))
        for _ in range(4 * wanted):  # draws can repeat; a link less does no harm
            if len(picked) < wanted:
                picked[rng.choices(pool, cum_weights=cumulative)[0]] = None
        for other in picked:
            self._degrees[other] += 1
        self._degrees[node] += len(picked)
        return picked

    def _likings(self, home: int, reach: float) -> list[float]:
        """Returns the attraction of each city for a node of one city, by distance alone."""
        if (reach, home) not in self._liking:
            middle = self._cities[home]
            likings = [math.exp(-math.dist(middle, city) / reach) for city in self._cities]
            self._liking[reach, home] = [max(liking, 1e-9) for liking in likings]
        return self._liking[reach, home]
