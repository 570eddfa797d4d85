"""The choice of links, nodes and pairs of nodes in scenarios: at random, by degree, or by the traffic that they carry."""

import itertools
from collections import Counter

import networkx

from mycelium.errors import ConfigError

from ..net.node_mesh import NodeMesh
from .stage import Stage

SAMPLED_PAIRS = 20_000  # from which the busiest links and the flows across them are found

Edge = tuple[int, int]


def nodes_by_name(stage: Stage, name: object, count: int = 1) -> list[int]:
    """Returns running nodes by number or by a word; raises ConfigError.

    The words are "random", "hub" (highest degree), "landmark" (home of most nodes), "lessor" (has leased a port) and "ends" (of
    chosen links).
    """
    running = list(stage.mesh.running())
    if isinstance(name, int):
        if name not in running:
            raise ConfigError(f"node {name} is not running")
        return [name]
    if name == "random":
        return stage.dice.sample(running, min(count, len(running)))
    if name == "hub":
        graph = stage.mesh.graph()
        return sorted(running, key=lambda node: (-graph.degree(node), node))[:count]
    if name == "landmark":
        return _found(_homes(stage)[:count], "no node is anybody's home")
    if name == "lessor" and isinstance(stage.mesh, NodeMesh):
        return _found(stage.mesh.shortcuts.lessors()[:count], "no node has leased a port")
    if name == "ends":
        return sorted({node for edge in stage.chosen for node in edge}.intersection(running))
    raise ConfigError(f'{name!r} is not a node: use a number, "random", "hub", "landmark", "lessor" or "ends"')


def _homes(stage: Stage) -> list[int]:
    """Returns the nodes that others have as their home, those of most first."""
    engines = [stage.mesh.engine(node) for node in stage.mesh.running()]
    homes = Counter(engine.home for engine in engines if engine is not None and engine.home is not None)
    return [stage.mesh.index_of[home] for home, _ in sorted(homes.items(), key=lambda one: (-one[1], one[0]))]


def _found(nodes: list[int], complaint: str) -> list[int]:
    if not nodes:
        raise ConfigError(complaint)
    return nodes


def links_by_name(stage: Stage, name: object, count: int = 1) -> list[Edge]:
    """Returns links by [node, node], "random", "carrying", "all", "chosen" or "cut"; raises ConfigError."""
    mesh = stage.mesh
    match name:
        case [int(one), int(other)]:
            if (min(one, other), max(one, other)) not in mesh.links:
                raise ConfigError(f"there is no link between {one} and {other}")
            return [(min(one, other), max(one, other))]
        case "random":
            open_links = [edge for edge, link in mesh.links.items() if link.is_open]
            return stage.dice.sample(open_links, min(count, len(open_links)))
        case "all":
            return list(mesh.links)
        case "carrying":
            return carrying_links(stage, count)
        case "chosen":
            return list(stage.chosen)
        case "cut":
            return [edge for edge, link in mesh.links.items() if not link.is_open]
    raise ConfigError(f'{name!r} is not a link: use [node, node], "random", "carrying", "all", "chosen" or "cut"')


def pairs(stage: Stage, count: int) -> list[Edge]:
    """Returns `count` random pairs of different running nodes; raises ConfigError if there are not two."""
    running = list(stage.mesh.running())
    if len(running) < 2:
        raise ConfigError("flows need at least two running nodes")
    chosen = []
    for _ in range(count):
        one, other = stage.dice.sample(running, 2)
        chosen.append((one, other))
    return chosen


def carrying_links(stage: Stage, count: int) -> list[Edge]:
    """Returns the links that most of thousands of random pairs use, except bridges; raises ConfigError if all are bridges."""
    carried: Counter[Edge] = Counter()
    for source, destination in pairs(stage, SAMPLED_PAIRS // 4):
        carried.update(_links_of(stage.flows.path(source, destination)[0]))
    graph = stage.mesh.graph()
    bridges = {(min(edge), max(edge)) for edge in networkx.bridges(graph)}
    ranked = sorted((-number, edge) for edge, number in carried.items() if edge not in bridges)
    if not ranked:
        raise ConfigError("every link of this mesh is a bridge: cutting any one would partition it")
    return [edge for _, edge in ranked[:count]]


def pairs_across(stage: Stage, edges: list[Edge], count: int) -> list[Edge]:
    """Returns up to `count` pairs whose path uses one of the links."""
    wanted = set(edges)
    found: dict[Edge, None] = {}
    for source, destination in pairs(stage, SAMPLED_PAIRS):
        if len(found) >= count:
            break
        if not wanted.isdisjoint(_links_of(stage.flows.path(source, destination)[0])):
            found[source, destination] = None
    return list(found)


def _links_of(path: tuple[int, ...]) -> list[Edge]:
    return [(min(a, b), max(a, b)) for a, b in itertools.pairwise(path)]
