"""The actions of scenarios, by name. An action is a generator that yields while virtual time passes.

Its keyword arguments and their defaults are the arguments of a step in a scenario file.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import networkx

from mycelium.errors import ConfigError

from ..net.liar import LIES
from ..net.routing_mesh import RoutingMesh
from .choice import links_by_name, nodes_by_name, pairs, pairs_across
from .hardships import cut_lane, nat, rebind, roam, saturate, starve, trace, uplinks
from .nat_pairs import follow_pairs, join_pairs, roam_pairs, shortcuts
from .stage import CHURN_SAMPLE_S, Stage
from .talks import liars, talk

ActionFunction = Callable[..., Iterator[None]]

JOIN_DELAY_S: Final = (0.001, 0.05)


def start(stage: Stage, *, spread_s: float = 0.0) -> Iterator[None]:
    """Opens all links and starts all nodes, at once or spread over `spread_s`."""
    mesh = stage.mesh
    stage.act("start", nodes=len(stage.graph), links=stage.graph.number_of_edges())
    for one, other, data in stage.graph.edges(data=True):
        link = mesh.add_link(one, other, delay_s=data["delay"], cost=data.get("cost"))
        link.open()
    for node in sorted(stage.graph):
        if spread_s:
            mesh.heap.after(stage.dice.uniform(0.0, spread_s), mesh.start, node)
        else:
            mesh.start(node)
    stage.watch_all_changes(False)
    if spread_s:
        yield from stage.pass_time(spread_s)


def settle(stage: Stage, *, within_s: float = 30.0, metrics: bool = True) -> Iterator[None]:
    """Waits until every metric is the shortest and routing is quiet; taking longer is a violation."""
    yield from stage.settle(within_s=within_s, metrics=metrics)


def wait(stage: Stage, *, s: float) -> Iterator[None]:
    """Lets time pass."""
    yield from stage.pass_time(s)


def idle(stage: Stage, *, minutes: float) -> Iterator[None]:
    """Lets time pass and reports what a quiet mesh sends meanwhile."""
    stage.act("idle", s=60 * minutes)
    yield from stage.measure_traffic("idle", stage.pass_time(60 * minutes))
    stage.mark()


def choose(stage: Stage, *, link: object = "carrying", count: int = 1) -> Iterator[None]:
    """Chooses the links to which later steps refer as "chosen"."""
    stage.chosen = links_by_name(stage, link, count)
    stage.act("choose", links=[list(edge) for edge in stage.chosen])
    yield


def watch(
    stage: Stage, *, flows: int = 50, across: object = None, pair: object = None, every_s: float = 0.01
) -> Iterator[None]:
    """Watches flows between random pairs, between pairs whose path uses certain links, or between one given pair.

    Whole nodes send a packet of each flow `every_s`, so that their links notice a cut by missing acknowledgements.
    """
    if isinstance(pair, list):
        found = [(int(pair[0]), int(pair[1]))]
    elif across is None:
        found = pairs(stage, flows)
    else:
        found = pairs_across(stage, links_by_name(stage, across), flows)
    stage.act("watch", flows=len(found))
    for source, destination in found:
        stage.watch(source, destination, every_s)
    if stage.pings is not None:  # end-to-end sessions are established before anything fails
        yield from stage.pass_time(2.0)


def measure(stage: Stage) -> Iterator[None]:
    """Starts to measure the figures on which scenarios promise bounds."""
    stage.act("measure")
    stage.measure()
    yield


def cut(
    stage: Stage, *, link: object = "random", count: int = 1, one_way: bool = False, is_told: bool = False
) -> Iterator[None]:
    """Cuts links, or one direction of each: silently, or noticed by both ends as when a cable is unplugged."""
    stage.chosen = links_by_name(stage, link, count)
    stage.mark()
    for one, other in stage.chosen:
        stage.act("cut", link=[one, other], one_way=one_way, is_told=is_told)
        stage.mesh.cut(one, other, one_way=one_way, is_told=is_told)
    yield


def mend(stage: Stage, *, link: object = "cut") -> Iterator[None]:
    """Mends links, by default all those that are cut."""
    for one, other in links_by_name(stage, link):
        stage.act("mend", link=[one, other])
        stage.mesh.mend(one, other)
    yield


def flap(
    stage: Stage, *, link: object = "carrying", times: int = 5, down_s: float = 0.6, up_s: float = 1.0
) -> Iterator[None]:
    """Cuts and mends a link again and again."""
    ((one, other), *_) = links_by_name(stage, link)
    stage.act("flap", link=[one, other], times=times)
    for _ in range(times):
        stage.mesh.cut(one, other)
        yield from stage.pass_time(down_s)
        stage.mesh.mend(one, other)
        yield from stage.pass_time(up_s)


def cost(
    stage: Stage,
    *,
    link: object = "random",
    count: int = 1,
    factor: float = 1.0,
    divide_by: float = 1.0,
    loss: float = 0.0,
) -> Iterator[None]:
    """Multiplies the delay of links and sets their loss, which changes their cost."""
    stage.mark()
    for one, other in links_by_name(stage, link, count):
        delay_s = stage.mesh.link(one, other).round_trip_s / 2 * factor / divide_by
        stage.act("cost", link=[one, other], delay_s=delay_s, loss=loss)
        stage.mesh.reshape(one, other, delay_s=delay_s, loss=loss)
    yield


def partition(stage: Stage, *, share: float = 0.5) -> Iterator[None]:
    """Partitions the mesh: a random node and its nearest ones, `share` of all, lose their links to the others."""
    mesh = stage.mesh
    graph = mesh.graph()
    (centre,) = nodes_by_name(stage, "random")
    near = [centre, *(node for _, node in networkx.bfs_edges(graph, centre))]
    inside = set(near[: max(1, round(len(near) * share))])
    stage.severed = [(low, high) for low, high in mesh.links if (low in inside) is not (high in inside)]
    stage.mark()
    stage.act("partition", nodes=len(inside), links=len(stage.severed))
    for low, high in stage.severed:
        mesh.cut(low, high)
    yield


def merge(stage: Stage) -> Iterator[None]:
    """Mends the links that the last partition has cut."""
    stage.mark()
    stage.act("merge", links=len(stage.severed))
    for low, high in stage.severed:
        stage.mesh.mend(low, high)
    stage.severed = []
    yield


def jitter(stage: Stage, *, link: object = "all", share: float = 0.2) -> Iterator[None]:
    """Varies the delay of links randomly by up to a share of it in either direction."""
    stage.act("jitter", share=share)
    for one, other in links_by_name(stage, link):
        delay_s = stage.mesh.link(one, other).round_trip_s / 2
        stage.mesh.reshape(one, other, delay_s=delay_s * (1 - share), jitter_s=2 * delay_s * share)
    yield


def lose(stage: Stage, *, link: object = "chosen", share: float = 0.3) -> Iterator[None]:
    """Makes links lose a share of all datagrams in each direction."""
    stage.mark()
    for one, other in links_by_name(stage, link):
        stage.act("lose", link=[one, other], share=share)
        stage.mesh.reshape(one, other, loss=share)
    yield


def restart(
    stage: Stage,
    *,
    node: object = "random",
    count: int = 1,
    down_s: float = 1.0,
    says_goodbye: bool = False,
    back_s: int = 0,
) -> Iterator[None]:
    """Stops nodes and starts them again without memory, their clocks set back by `back_s`."""
    stage.mark()
    for one in nodes_by_name(stage, node, count):
        _restart(stage, one, down_s, says_goodbye=says_goodbye, back_s=back_s)
    yield from stage.pass_time(down_s)


def _restart(stage: Stage, node: int, down_s: float, *, says_goodbye: bool = False, back_s: int = 0) -> None:
    mesh = stage.mesh
    epoch = max(1, mesh.next_epoch(node) - back_s) if back_s else None
    stage.act("restart", node=node, down_s=down_s, says_goodbye=says_goodbye, back_s=back_s)
    mesh.stop(node, says_goodbye=says_goodbye)
    mesh.heap.after(down_s, lambda: mesh.start(node, epoch=epoch))


def kill(stage: Stage, *, node: object = "random", count: int = 1) -> Iterator[None]:
    """Stops nodes silently and for good."""
    stage.mark()
    for one in nodes_by_name(stage, node, count):
        stage.act("kill", node=one)
        stage.mesh.stop(one)
    yield


def churn(
    stage: Stage, *, share_per_minute: float = 0.01, minutes: float = 10.0, down_s: float = 1.0
) -> Iterator[None]:
    """Restarts random nodes at a constant rate and reports what nodes send meanwhile."""
    stage.act("churn", s=60 * minutes, share_per_minute=share_per_minute)
    yield from stage.measure_traffic("churn", _churn(stage, share_per_minute, minutes, down_s))


def _churn(stage: Stage, share_per_minute: float, minutes: float, down_s: float) -> Iterator[None]:
    nodes = len(stage.mesh.epochs)
    end = stage.mesh.now + 60 * minutes
    while True:
        gap = stage.dice.expovariate(share_per_minute * nodes / 60)
        if stage.mesh.now + gap >= end:
            break
        yield from stage.pass_time(gap, sample_s=CHURN_SAMPLE_S)
        running = list(stage.mesh.running())
        if len(running) > nodes / 2:
            _restart(stage, stage.dice.choice(running), down_s)
    yield from stage.pass_time(end - stage.mesh.now, sample_s=CHURN_SAMPLE_S)


def join(stage: Stage, *, nodes: int = 1, links: int = 2, host: object = None, spread_s: float = 0.0) -> Iterator[None]:
    """Adds new nodes, each linked to some running ones, or to a given one."""
    mesh = stage.mesh
    stage.mark()
    stage.act("join", nodes=nodes)
    hosts = list(mesh.running()) if host is None else nodes_by_name(stage, host)
    first = max(mesh.epochs) + 1
    for node in range(first, first + nodes):
        for host in stage.dice.sample(hosts, min(links, len(hosts))):
            mesh.add_link(node, host, delay_s=stage.dice.uniform(*JOIN_DELAY_S)).open()
        mesh.heap.after(stage.dice.uniform(0.0, spread_s), mesh.start, node)
    yield from stage.pass_time(spread_s)


def move(stage: Stage, *, node: object = "random", count: int = 1, links: int = 2) -> Iterator[None]:
    """Moves nodes to other neighbours; their old links are cut silently."""
    mesh = stage.mesh
    stage.mark()
    for one in nodes_by_name(stage, node, count):
        old = [edge for edge in mesh.links if one in edge]
        avoided = {other for edge in old for other in edge}
        hosts = [other for other in mesh.running() if other not in avoided] or [o for o in mesh.running() if o != one]
        stage.act("move", node=one)
        for low, high in old:
            mesh.remove_link(low, high)
        for host in stage.dice.sample(hosts, min(links, len(hosts))):
            mesh.add_link(one, host, delay_s=stage.dice.uniform(*JOIN_DELAY_S))
            mesh.mend(one, host)
    yield


def lie(stage: Stage, *, node: object = "random", how: str = "forge") -> Iterator[None]:
    """Restarts a node, which falsifies all updates from then on."""
    if not isinstance(stage.mesh, RoutingMesh):
        raise ConfigError("the action lie needs --fidelity routing")
    if how not in LIES:
        raise ConfigError(f"{how!r} is not a kind of lie; the kinds are {', '.join(LIES)}")
    (liar,) = nodes_by_name(stage, node)
    stage.act("lie", node=liar, how=how)
    stage.mesh.liars[liar] = how
    _restart(stage, liar, 0.5)
    yield from stage.pass_time(0.5)


ACTIONS: Final[dict[str, ActionFunction]] = {
    action.__name__: action
    for action in (
        start, settle, wait, idle, choose, watch, measure, cut, mend, flap, cost, jitter, lose, partition, merge,
        restart, kill, churn, join, move, lie, nat, rebind, roam, uplinks, cut_lane, starve, saturate, trace,
        shortcuts, join_pairs, follow_pairs, roam_pairs, liars, talk,
    )
}  # fmt: skip


def perform(stage: Stage, do: str, arguments: dict[str, Any]) -> Iterator[None]:
    """Begins an action by its name; raises ConfigError if there is no such action and TypeError for wrong arguments."""
    action = ACTIONS.get(do)
    if action is None:
        raise ConfigError(f"{do!r} is not an action; the actions are {', '.join(ACTIONS)}")
    return action(stage, **arguments)
