"""Actions that tell how many honest nodes can still talk while others lie about routes and drop what they should forward."""

from collections.abc import Iterator
from heapq import nlargest
from typing import Final

import networkx

from mycelium.errors import ConfigError

from ..net.lying_node import WAYS_TO_LIE
from ..net.node_mesh import NodeMesh
from .choice import Edge
from .nat_pairs import whole_nodes
from .pings import PingTraffic
from .stage import Stage

LOOK_S: Final = 5.0  # between two looks at who talks


def liars(
    stage: Stage, *, share: float = 0.05, how: str = "attract", hubs: bool = False, down_s: float = 0.5
) -> Iterator[None]:
    """Restarts a share of all nodes, at random or those with most links, which lie from then on: see `WAYS_TO_LIE`."""
    mesh = whole_nodes(stage)
    if how not in WAYS_TO_LIE:
        raise ConfigError(f"{how!r} is not a way to lie; the ways are {', '.join(WAYS_TO_LIE)}")
    running = list(mesh.running())
    count, links = min(round(share * len(running)), len(running)), mesh.graph()
    chosen = sorted(nlargest(count, running, key=links.degree) if hubs else stage.dice.sample(running, count))
    stage.act("liars", nodes=chosen, how=how)
    for node in chosen:
        mesh.liars[node] = how
        mesh.stop(node, says_goodbye=True)
        mesh.heap.after(down_s, mesh.start, node)
    yield from stage.pass_time(down_s)


def talk(stage: Stage, *, pairs: int = 100, s: float = 40.0, every_s: float = 0.25) -> Iterator[None]:
    """Has random honest pairs send packets to each other, and reports each LOOK_S how many of them both hear each other.

    There is a way between the two of a pair that passes honest nodes only. The report tells too how many liars, and how many
    honest nodes, are distrusted by an honest neighbour.
    """
    mesh = whole_nodes(stage)
    chosen = _honest_pairs(stage, pairs)
    if stage.pings is None:
        stage.pings = PingTraffic(mesh)
    pings = stage.pings
    flows = [tuple(pings.add(*ends, every_s) for ends in ((a, b), (b, a))) for a, b in chosen]
    stage.act("talk", pairs=len(flows), s=s)
    end = mesh.now + s
    while mesh.now < end:
        yield from stage.pass_time(min(LOOK_S, end - mesh.now))
        since = mesh.now - LOOK_S
        talking = sum(all(pings.heard_at(flow) > since for flow in both) for both in flows)
        found, wronged = _distrusted(mesh)
        stage.emit("talk", t=mesh.now, pairs=len(flows), talking=talking, found=found, wronged=wronged)
        stage.figures.pairs_silent = len(flows) - talking


def _distrusted(mesh: NodeMesh) -> tuple[int, int]:
    """Returns how many liars, and how many honest nodes, some honest node distrusts."""
    running = {number: node for number in mesh.running() if (node := mesh.node(number)) is not None}
    at = {mesh.address(number): number for number in running}
    honest = [node for number, node in running.items() if number not in mesh.liars]
    distrusted = {at[one] for node in honest for one in node.reachability.distrusted if one in at}
    found = len(distrusted & mesh.liars.keys())
    return found, len(distrusted) - found


def _honest_pairs(stage: Stage, count: int) -> list[Edge]:
    graph = stage.mesh.graph()
    graph.remove_nodes_from(stage.mesh.liars)
    part_of = {node: number for number, part in enumerate(networkx.connected_components(graph)) for node in part}
    honest = sorted(part_of)
    found: list[Edge] = []
    for _ in range(20 * count):
        if len(honest) < 2 or len(found) == count:
            break
        one, other = stage.dice.sample(honest, 2)
        if part_of[one] == part_of[other] and (one, other) not in found:
            found.append((one, other))
    if not found:
        raise ConfigError("talk: there are no two honest nodes with a way between them")
    return found
