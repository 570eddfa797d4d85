"""Actions on whole nodes besides cutting links: NATs, address changes, narrow links, suspended processes, replayed traces."""

import math
from collections.abc import Iterator
from typing import Final

import msgspec

from mycelium.errors import ConfigError

from ..net import trace as traces
from ..net.mesh import Mesh
from ..net.nat import NatModel
from .choice import Edge, links_by_name, nodes_by_name
from .load import Load
from .nat_pairs import whole_nodes
from .stage import Stage

RESTED_S: Final = 1.0


def nat(
    stage: Stage,
    *,
    share: float = 0.3,
    mapping: str = "endpoint-independent",
    filtering: str = "address-and-port-dependent",
    expiry_s: float = 30.0,
) -> Iterator[None]:
    """Puts random nodes, no two of them neighbours, behind NATs (RFC 4787); a step before the start."""
    mesh = whole_nodes(stage)
    try:
        model = msgspec.convert({"mapping": mapping, "filtering": filtering, "expiry_s": expiry_s}, NatModel)
    except msgspec.ValidationError as error:
        raise ConfigError(f"nat: {error}") from error
    for node in stage.dice.sample(sorted(stage.graph), len(stage.graph)):
        hidden = stage.hidden
        if len(hidden) < share * len(stage.graph) and not any(stage.graph.has_edge(node, other) for other in hidden):
            hidden.append(node)
            mesh.put_behind_nat(node, model)
    stage.act("nat", nodes=sorted(stage.hidden), mapping=mapping, filtering=filtering, expiry_s=expiry_s)
    yield


def rebind(stage: Stage) -> Iterator[None]:
    """Makes all NATs forget their mappings, as in a restart."""
    mesh = whole_nodes(stage)
    stage.act("rebind", nodes=sorted(stage.hidden))
    for node in sorted(stage.hidden):
        mesh.rebind(node)
    yield


def roam(stage: Stage, *, node: object = "random", count: int = 1, is_told: bool = False) -> Iterator[None]:
    """Changes the underlay address of nodes, as when a phone leaves the Wi-Fi.

    The kernel of a phone notifies its node (`is_told`). A node whose NAT changes its address is not notified.
    """
    mesh = whole_nodes(stage)
    for one in nodes_by_name(stage, node, count):
        stage.act("roam", node=one, is_told=is_told)
        mesh.roam(one, is_told=is_told)
    yield


def uplinks(stage: Stage, *, delay_factor: float = 1.5) -> Iterator[None]:
    """Gives all nodes a second uplink, whose delays are longer by a factor; a step before the start."""
    if not delay_factor > 0:
        raise ConfigError(f"uplinks: {delay_factor} is not a valid delay_factor, which is above 0")
    whole_nodes(stage).alternate_delay_factor = delay_factor
    stage.act("uplinks", delay_factor=delay_factor)
    yield


def cut_lane(stage: Stage, *, link: object = "chosen") -> Iterator[None]:
    """Silently cuts the lane in use of links that have two."""
    mesh = whole_nodes(stage)
    for one, other in links_by_name(stage, link):
        stage.act("cut_lane", link=[one, other])
        mesh.cut_lane(one, other)
    yield


def starve(stage: Stage, *, for_s: float = 0.2, every_s: float = 5.0, minutes: float = 1.0) -> Iterator[None]:
    """Suspends the processes of random nodes for a moment, each node `every_s` on average.

    A node runs for at least a second between two suspensions.
    """
    mesh = whole_nodes(stage)
    stage.act("starve", for_s=for_s, every_s=every_s)
    end = mesh.now + 60 * minutes
    rested_at: dict[int, float] = {}
    while True:
        gap = stage.dice.expovariate(len(mesh.epochs) / every_s)
        if mesh.now + gap >= end:
            break
        yield from stage.pass_time(gap)
        node = stage.dice.choice(list(mesh.running()))
        if mesh.now >= rested_at.get(node, 0.0):
            mesh.starve(node, for_s)
            rested_at[node] = mesh.now + for_s + RESTED_S
    yield from stage.pass_time(end - mesh.now)


def saturate(
    stage: Stage, *, link: object = "chosen", bytes_per_s: float = 250_000.0, share: float = 1.1, minutes: float = 1.0
) -> Iterator[None]:
    """Limits the bandwidth of a link and sends `share` of it through the link in each direction."""
    mesh = whole_nodes(stage)
    ((one, other), *_) = links_by_name(stage, link)
    mesh.reshape(one, other, bytes_per_s=bytes_per_s)
    stage.act("saturate", link=[one, other], bytes_per_s=bytes_per_s, share=share)
    loads = [Load(mesh, *ends, bytes_per_s * share) for ends in ((one, other), (other, one))]
    yield from stage.pass_time(60 * minutes)
    for load in loads:
        load.end()


def trace(stage: Stage, *, file: str = "sample", minutes: float = 2.0) -> Iterator[None]:
    """Replays recorded round-trip times on all links: those of the link of the same name, or else of each recording in turn."""
    recordings = traces.read(file)
    in_turn = list(recordings.values())
    stage.act("trace", file=file, recordings=len(recordings))
    end = stage.mesh.now + 60 * minutes
    for number, edge in enumerate(stage.mesh.links):
        steps = (recordings.get(edge) or in_turn[number % len(in_turn)]).steps()
        _play(stage.mesh, edge, steps, stage.mesh.now, end)
    yield from stage.pass_time(60 * minutes)


def _play(mesh: Mesh, edge: Edge, steps: Iterator[tuple[float, float]], begun: float, end: float) -> None:
    """Schedules the next round-trip time of a link."""
    at, rtt_s = next(steps, (math.inf, 0.0))
    if begun + at < end:
        mesh.heap.at(begun + at, _set_delay, mesh, edge, rtt_s / 2)
        mesh.heap.at(begun + at, _play, mesh, edge, steps, begun, end)


def _set_delay(mesh: Mesh, edge: Edge, delay_s: float) -> None:
    if edge in mesh.links:
        mesh.reshape(*edge, delay_s=delay_s)
