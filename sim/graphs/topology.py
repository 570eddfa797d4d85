"""Topologies: graphs to simulate, by short texts such as `ba:m=2`.

Graphs are connected, their nodes are the integers 0 to n-1, and each link has a one-way `delay` in seconds. The same text,
number of nodes and seed give the same graph, with links in the same order, in any process.
"""

import math
import random
from typing import Final

import msgspec
import networkx as nx

from mycelium.errors import ConfigError
from mycelium.limits import SIM_NODES

from . import generators
from .files import read_graph
from .generators import Builder

DELAY_MIN_S: Final = 0.001
DELAY_MAX_S: Final = 0.050
_FILE: Final = "file"


class Parameter(msgspec.Struct, frozen=True):
    """A numeric parameter of a topology, an integer if its default is one."""

    default: float
    minimum: float
    maximum: float
    meaning: str

    def parse(self, text: str) -> float:
        """Returns the number in `text`; raises ValueError with the valid range."""
        is_integer = isinstance(self.default, int)
        try:
            value = int(text) if is_integer else float(text)
        except ValueError:
            raise ValueError(f"{text!r} is not {'an integer' if is_integer else 'a number'}") from None
        if not self.minimum <= value <= self.maximum:  # NaN fails this comparison too
            raise ValueError(f"{text} is not between {self.minimum} and {self.maximum}")
        return value


class Topology(msgspec.Struct, frozen=True):
    """A kind of graph and its parameters."""

    name: str
    summary: str
    parameters: dict[str, Parameter]
    build: Builder | None  # None: the graph is read from a file


_DRAWN_DELAY: Final = {
    "delay_min": Parameter(DELAY_MIN_S, 1e-6, 10.0, "least delay of a link, s"),
    "delay_max": Parameter(DELAY_MAX_S, 1e-6, 10.0, "greatest delay of a link, s"),
}
_SIDE: Final = Parameter(0.05, 1e-4, 10.0, "delay along a side of the map, s")

_TOPOLOGIES: Final = (
    Topology("line", "a chain", _DRAWN_DELAY, generators.line),
    Topology("ring", "a chain closed to a ring", _DRAWN_DELAY, generators.ring),
    Topology(
        "grid",
        "a lattice with four neighbours each; the last row may be short",
        {"width": Parameter(0, 0, SIM_NODES, "nodes in a row; 0: as square as it gets"), **_DRAWN_DELAY},
        generators.grid,
    ),
    Topology("star", "node 0 is everyone's only neighbour", _DRAWN_DELAY, generators.star),
    Topology(
        "tree",
        "a balanced tree, filled row by row",
        {"r": Parameter(3, 1, SIM_NODES, "children of a node"), **_DRAWN_DELAY},
        generators.tree,
    ),
    Topology(
        "ba",
        "Barabasi-Albert: each node attaches to m others, popular ones first; few hubs, many leaves",
        {"m": Parameter(2, 1, SIM_NODES, "links that a node comes with"), **_DRAWN_DELAY},
        generators.barabasi_albert,
    ),
    Topology(
        "hub",
        "ba, and a last node that links to many others at random",
        {
            "m": Parameter(2, 1, SIM_NODES, "links that a node comes with"),
            "links": Parameter(0, 0, SIM_NODES, "links of the last node; 0: to one of eight nodes"),
            **_DRAWN_DELAY,
        },
        generators.hub,
    ),
    Topology(
        "ws",
        "Watts-Strogatz: a ring of near neighbours with some links rewired far away",
        {
            "k": Parameter(6, 2, SIM_NODES, "near neighbours, an even number"),
            "p": Parameter(0.1, 0.0, 1.0, "share of links rewired"),
            **_DRAWN_DELAY,
        },
        generators.watts_strogatz,
    ),
    Topology(
        "geometric",
        "nodes strewn over a square see whoever is near; delay follows distance",
        {"degree": Parameter(8.0, 0.1, SIM_NODES, "neighbours on average"), "side": _SIDE},
        generators.geometric,
    ),
    Topology(
        "internet",
        "regions of cities; transit nodes attach to near and well connected ones, stubs to one or two transits",
        {
            "regions": Parameter(6, 1, 100, "regions on the map"),
            "cities": Parameter(8, 1, 100, "cities of a region; a few hold most nodes"),
            "transit": Parameter(0.3, 0.01, 1.0, "share of nodes that carry others' traffic"),
            "m": Parameter(3, 1, 100, "links that a transit node comes with"),
            "multihomed": Parameter(0.3, 0.0, 1.0, "share of stubs with two links"),
            "side": Parameter(0.08, 1e-4, 10.0, "delay along a side of the map, s"),
        },
        generators.internet,
    ),
    Topology(_FILE, "file:PATH reads GraphML, JSON (nodes and links) or an edge list", {}, None),
)


def list_topologies() -> tuple[Topology, ...]:
    """Returns all topologies with their parameters."""
    return _TOPOLOGIES


def make_topology(spec: str, nodes: int, seed: int) -> nx.Graph:
    """Builds the graph that `spec` names: `name[:key=value,...]` or `file:path`, whose file decides the number of nodes.

    Links carry `delay` (seconds) and, where a file gives it, `cost` (the metric's units); nodes carry `pos` (x, y) where they
    have a place, and `name` where a file names them. Raises ConfigError.
    """
    name, _, rest = spec.partition(":")
    topology = next((known for known in _TOPOLOGIES if known.name == name), None)
    if topology is None:
        known_names = ", ".join(known.name for known in _TOPOLOGIES)
        raise ConfigError(f"{name!r} is not a topology; the topologies are {known_names}")
    if topology.build is None:
        return _from_file(rest, seed)
    parameters = _parse_parameters(topology, rest)
    if not 2 <= nodes <= SIM_NODES:
        raise ConfigError(f"a topology has 2 to {SIM_NODES} nodes, not {nodes}")
    try:
        raw = topology.build(nodes, random.Random(f"topology/{seed}"), parameters)
    except (nx.NetworkXError, ValueError) as error:
        raise ConfigError(f"topology {spec!r} with {nodes} nodes: {error}") from error
    graph = _in_order(raw)
    _draw_delays(graph, seed, parameters.get("delay_min", DELAY_MIN_S), parameters.get("delay_max", DELAY_MAX_S))
    return graph


def _parse_parameters(topology: Topology, text: str) -> dict[str, float]:
    values = {name: parameter.default for name, parameter in topology.parameters.items()}
    for item in filter(None, text.split(",")):
        name, equals, value = item.partition("=")
        parameter = topology.parameters.get(name)
        if not equals or parameter is None:
            takes = ", ".join(topology.parameters)
            raise ConfigError(f"topology {topology.name}: {item!r} is not key=value with a key among {takes}")
        try:
            values[name] = parameter.parse(value)
        except ValueError as error:
            raise ConfigError(f"topology {topology.name}: {name}: {error}") from None
    if values.get("delay_min", 0.0) > values.get("delay_max", math.inf):
        raise ConfigError(f"topology {topology.name}: delay_min is above delay_max")
    return values


def _from_file(path: str, seed: int) -> nx.Graph:
    named = read_graph(path)
    if not 2 <= len(named) <= SIM_NODES:
        raise ConfigError(f"{path}: a topology has 2 to {SIM_NODES} nodes, not {len(named)}")
    parts = [len(part) for part in nx.connected_components(named)]
    if len(parts) > 1:
        raise ConfigError(f"{path}: the graph has {len(parts)} separate parts, the largest with {max(parts)} nodes")
    numbers = {name: number for number, name in enumerate(_numbered_first(list(named)))}
    for name, attributes in named.nodes(data=True):
        attributes["name"] = name
    graph = _in_order(nx.relabel_nodes(named, numbers))
    _draw_delays(graph, seed, DELAY_MIN_S, DELAY_MAX_S)
    return graph


def _numbered_first(names: list[str]) -> list[str]:
    """Orders nodes as in the file, or by number if all names are numbers, so that 0 to n-1 keep their names."""
    if all(name.isascii() and name.isdigit() for name in names):
        return sorted(names, key=int)
    return names


def _in_order(raw: nx.Graph) -> nx.Graph:
    """Rebuilds a graph with nodes and links in ascending order, which generators do not guarantee."""
    graph = nx.Graph()
    graph.add_nodes_from((node, raw.nodes[node]) for node in sorted(raw))
    links = sorted((min(a, b), max(a, b)) for a, b in raw.edges)
    graph.add_edges_from((a, b, raw.edges[a, b]) for a, b in links)
    return graph


def _draw_delays(graph: nx.Graph, seed: int, least_s: float, greatest_s: float) -> None:
    """Draws a delay for each link without one. It depends on the seed and the link only."""
    rng = random.Random(f"delays/{seed}")
    for _, _, attributes in graph.edges(data=True):
        drawn = rng.uniform(least_s, greatest_s)
        attributes.setdefault("delay", drawn)
