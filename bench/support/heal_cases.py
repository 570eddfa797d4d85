"""What is broken and how, while two hosts of a mesh at rest ping each other every 10 ms."""

import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

import networkx

from bench.support.heal_systems import Network
from tests.lab.cable import Cable
from tests.lab.mesh import Edge, grid, ring
from tests.lab.namespaces import LabHost
from tests.lab.outage import watch
from tests.lab.ping import PING_INTERVAL_S, PingResult

HEAL_SECONDS: Final = 90.0
REST_PINGS: Final = 100  # before the break and after it: one second each
LOSS_PERCENT: Final = 30.0
LOSS_SECONDS: Final = 10.0
FLAPS: Final = 4
FLAP_UP_SECONDS: Final = 3.0
FLAP_DOWN_SECONDS: Final = 1.0
PARTED_SECONDS: Final = 10.0

Figures = dict[str, float]  # seconds, by the name of the measure


class Victim(Enum):
    """The part of a path that is broken."""

    LINK = "the link in the middle"
    RELAY = "the relay in the middle"
    PARTITION = "all links between two parts of the mesh"


@dataclass(frozen=True)
class Shape:
    """A form of mesh: its edges, the distance in hops between the ends of a trial, and the parts it can be split into."""

    edges: list[Edge]
    hops_over_link: range
    hops_over_relay: range
    parts: list[set[str]]
    is_reused: bool = False  # one mesh serves several trials, each on links that have not failed before

    def pairs(self, victim: Victim) -> list[Edge]:
        """Returns the pairs of nodes that are as far apart as this kind of trial needs."""
        hops = self.hops_over_link if victim is Victim.LINK else self.hops_over_relay
        distances = dict(networkx.all_pairs_shortest_path_length(networkx.Graph(self.edges)))
        return [(one, other) for one, other in itertools.permutations(distances, 2) if distances[one][other] in hops]


def _grid_parts(size: int) -> list[set[str]]:
    cells = list(itertools.product(range(size), repeat=2))
    rows = [{f"r{row}c{column}" for row, column in cells if row < edge} for edge in range(1, size)]
    columns = [{f"r{row}c{column}" for row, column in cells if column < edge} for edge in range(1, size)]
    return rows + columns


SHAPES: Final = {
    "square": Shape(ring(*"abcd"), range(1, 2), range(2, 3), [set("ab"), set("bc")]),
    "ring": Shape(ring(*"abcdef"), range(3, 4), range(3, 4), [set("abc"), set("bcd"), set("cde")]),
    "grid": Shape(grid(7, 7), range(4, 9), range(4, 9), _grid_parts(7), is_reused=True),
}


@dataclass(frozen=True)
class Trial:
    """One break of a mesh at rest, between two hosts whose path uses what is broken."""

    network: Network
    one: str
    other: str
    broken: frozenset[frozenset[str]]  # edges
    near: str  # the hosts at both ends of the broken link, in the direction of the pings
    relay: str  # its far end; the relay that is killed
    number: int

    @property
    def host(self) -> LabHost:
        """Where the pings come from."""
        return self.network.hosts[self.one]

    @property
    def address(self) -> str:
        """Where they go."""
        return self.network.address(self.other)

    @property
    def cables(self) -> list[Cable]:
        """The cables that are broken."""
        return [self.network.cables[edge] for edge in sorted(self.broken, key=sorted)]


def find_trial(
    network: Network, shape: Shape, victim: Victim, number: int, *, worn: set[frozenset[str]], rng: random.Random
) -> Trial | None:
    """Finds a victim that carries traffic and whose links have not failed before; None if none is left."""
    pairs = shape.pairs(victim)
    for one, other in rng.sample(pairs, len(pairs)):
        path = network.steady_path(one, other)
        middle = len(path) // 2  # at least 1
        near, relay = path[middle - 1], path[middle]
        for broken in _candidates(network, shape, victim, (one, other), (near, relay)):
            if not broken & worn:
                return Trial(network, one, other, broken, near, relay, number)
    return None


def _candidates(
    network: Network, shape: Shape, victim: Victim, ends: Edge, middle: Edge
) -> list[frozenset[frozenset[str]]]:
    if victim is Victim.LINK:
        return [frozenset([frozenset(middle)])]
    if victim is Victim.RELAY:
        return [network.edges_of(middle[1])]
    between = [part for part in shape.parts if len(part & set(ends)) == 1]
    return [frozenset(edge for edge in network.cables if len(edge & part) == 1) for part in between]


# -- the cases: each breaks and returns seconds ------------------------------------------------------------------------


def silent_cut(trial: Trial) -> Figures:
    """The cable drops everything; its carrier stays up."""
    return _outage(trial, trial.cables[0].cut)


def one_way_cut(trial: Trial) -> Figures:
    """The cable drops one direction: requests in even trials, answers in odd ones."""
    deaf = trial.relay if trial.number % 2 == 0 else trial.near
    return _outage(trial, lambda: trial.cables[0].cut(towards=trial.network.hosts[deaf]))


def carrier_loss(trial: Trial) -> Figures:
    """The cable is pulled and both ends see it."""
    return _outage(trial, lambda: trial.cables[0].set_carrier(up=False))


def killed_relay(trial: Trial) -> Figures:
    """The relay's daemon is killed with -9; its host stays."""
    return _outage(trial, lambda: trial.network.kill(trial.relay))


def loss_onset(trial: Trial) -> Figures:
    """The cable loses 30 % each way from one moment to the next."""

    def act() -> None:
        trial.cables[0].lose(LOSS_PERCENT)
        time.sleep(LOSS_SECONDS)

    return _both(_watch(trial, act))


def flapping(trial: Trial) -> Figures:
    """The cable is silent for 1 s and good for 3 s, four times."""

    def act() -> None:
        for _ in range(FLAPS):
            trial.cables[0].cut()
            time.sleep(FLAP_DOWN_SECONDS)
            trial.cables[0].mend()
            time.sleep(FLAP_UP_SECONDS)

    return _both(_watch(trial, act))


def partition(trial: Trial) -> Figures:
    """All cables between two parts drop everything for 10 s, then carry again."""
    merged = 0.0

    def act() -> None:
        nonlocal merged
        for cable in trial.cables:
            cable.cut()
        time.sleep(PARTED_SECONDS)
        merged = time.time()
        for cable in trial.cables:
            cable.mend()

    return {"merge to first answer": _watch(trial, act).answered_after(merged)}


@dataclass(frozen=True)
class Case:
    """What is broken, and by what."""

    victim: Victim
    act: Callable[[Trial], Figures]
    is_compared: bool = False  # with the other systems


CASES: Final = {
    "silent-cut": Case(Victim.LINK, silent_cut, is_compared=True),
    "carrier-loss": Case(Victim.LINK, carrier_loss, is_compared=True),
    "killed-relay": Case(Victim.RELAY, killed_relay, is_compared=True),
    "one-way-cut": Case(Victim.LINK, one_way_cut),
    "loss-onset": Case(Victim.LINK, loss_onset),
    "flapping": Case(Victim.LINK, flapping),
    "partition": Case(Victim.PARTITION, partition),
}


def _outage(trial: Trial, act: Callable[[], None]) -> Figures:
    return {"outage": _watch(trial, act).outage_s}


def _both(result: PingResult) -> Figures:
    return {"longest outage": result.outage_s, "unanswered in all": (result.sent - result.received) * PING_INTERVAL_S}


def _watch(trial: Trial, act: Callable[[], None]) -> PingResult:
    return watch(trial.host, trial.address, act, seconds=HEAL_SECONDS, rest_pings=REST_PINGS)
