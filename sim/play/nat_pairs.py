"""Actions on pairs of nodes behind NATs, which look for shortcuts and leased ports instead of relays."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final

from mycelium.errors import ConfigError

from ..net.nat import KINDS
from ..net.node_mesh import NodeMesh
from .nat_pair import NatPair
from .stage import Stage

LOOK_S: Final = 0.05
IN_FLIGHT_S: Final = 1.5  # after which a packet that has not arrived is lost


def shortcuts(stage: Stage) -> Iterator[None]:
    """Lets nodes look for shortcuts, and those without a NAT lease ports to others; a step before the start."""
    mesh = whole_nodes(stage)
    if mesh.epochs:
        raise ConfigError("shortcuts: nodes look for shortcuts from their start on, so this step must be before it")
    mesh.has_shortcuts = True
    stage.act("shortcuts")
    yield


def join_pairs(
    stage: Stage, *, kinds: object = "all", relays: int = 2, relay_s: float = 0.01, direct_s: float = 0.005
) -> Iterator[None]:
    """Adds two new nodes for each pair of kinds of NATs, linked with the same nodes and able to reach each other.

    `relay_s` and `direct_s` are the delays to these nodes and of the direct way.
    """
    mesh = whole_nodes(stage)
    stage.mark()
    hosts = sorted(set(mesh.running()) - set(stage.hidden))
    for pair in _pairs(kinds):
        first = max(mesh.epochs) + 1
        ends = first, first + 1
        chosen = stage.dice.sample(hosts, min(relays, len(hosts)))
        for node, kind in zip(ends, pair, strict=True):
            _join(stage, mesh, node, kind, chosen, relay_s)
        mesh.add_way(*ends, delay_s=direct_s)
        stage.nat_pairs.append(NatPair(*ends, pair))
        stage.act("join pair", nodes=list(ends), kinds=list(pair), relays=chosen)
    yield


def _join(stage: Stage, mesh: NodeMesh, node: int, kind: str, relays: list[int], delay_s: float) -> None:
    model = KINDS[kind]
    if model is not None:
        mesh.put_behind_nat(node, model)
        stage.hidden.append(node)
    for relay in relays:
        mesh.add_link(node, relay, delay_s=delay_s).open()
    mesh.start(node)


def _pairs(kinds: object) -> list[tuple[str, str]]:
    """Returns pairs of kinds: those that are listed, or all of them; raises ConfigError."""
    if kinds == "all":
        return list(product(KINDS, KINDS))
    found = []
    for pair in kinds if isinstance(kinds, list) else [kinds]:
        if not isinstance(pair, list) or len(pair) != 2 or not set(KINDS).issuperset(pair):
            raise ConfigError(f"join_pairs: {pair!r} is not a pair of kinds of NATs; the kinds are {', '.join(KINDS)}")
        found.append((pair[0], pair[1]))
    return found


def follow_pairs(stage: Stage, *, s: float = 8.0, every_s: float = 0.02) -> Iterator[None]:
    """Has all pairs talk, and reports which way each takes in the end, how soon it found that, and what was lost."""
    mesh = whole_nodes(stage)
    pairs = stage.nat_pairs
    silent = [pair for pair in pairs if not pair.is_talking]
    for pair in silent:
        pair.talk(lambda one, other: stage.watch(one, other, every_s))
    pings = stage.pings
    if pings is None:
        raise ConfigError("follow_pairs: there are no pairs; the step join_pairs adds them")
    stage.act("follow pairs", flows=2 * len(silent), s=s)
    for pair in pairs:
        pair.begin(mesh, pings)
    end = mesh.now + s
    while mesh.now < end:
        yield from stage.pass_time(LOOK_S)
        for pair in pairs:
            pair.look(mesh, pings)
    yield from stage.pass_time(IN_FLIGHT_S)
    _report(stage, pairs)


def _report(stage: Stage, pairs: Sequence[NatPair]) -> None:
    assert stage.pings is not None
    for pair in pairs:
        stage.emit("way", t=stage.mesh.now, **pair.record(stage.pings))
        stage.figures.ways_s.append(pair.found_after_s())
        stage.figures.packets_lost += pair.lost(stage.pings)


def roam_pairs(stage: Stage, *, is_told: bool = True) -> Iterator[None]:
    """Gives the first node of each pair another address, and its NAT other mappings, as when a phone leaves the Wi-Fi."""
    mesh = whole_nodes(stage)
    for node in [pair.ends[0] for pair in stage.nat_pairs]:
        stage.act("roam", node=node, is_told=is_told)
        mesh.roam(node, is_told=is_told)
    yield


def whole_nodes(stage: Stage) -> NodeMesh:
    """Returns the mesh, if its nodes are whole; raises ConfigError."""
    if not isinstance(stage.mesh, NodeMesh):
        raise ConfigError("this action needs --fidelity node")
    return stage.mesh
