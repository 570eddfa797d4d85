"""A network of hosts, cables and daemons, made from the names of its nodes and its edges."""

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, permutations
from pathlib import Path
from typing import Final

from tests.lab.daemon import PORT, START_SECONDS, Daemon
from tests.lab.long_cable import LongCables
from tests.lab.namespaces import Cable, Lab, LabHost
from tests.lab.waiting import wait_until

CONVERGED_SECONDS: Final = 15.0
SETTLED_SECONDS: Final = 60.0
QUIET_SECONDS: Final = 1.0  # in which nothing changes, where all is settled

Edge = tuple[str, str]


def line(*names: str) -> list[Edge]:
    """Returns the edges of a line."""
    return list(pairwise(names))


def ring(*names: str) -> list[Edge]:
    """Returns the edges of a ring."""
    return [*line(*names), (names[-1], names[0])]


def grid(rows: int, columns: int) -> list[Edge]:
    """Returns the edges of a grid; its nodes are named by row and column, as in r0c3."""
    names = [[f"r{row}c{column}" for column in range(columns)] for row in range(rows)]
    across = [edge for row in names for edge in pairwise(row)]
    return across + [edge for column in zip(*names, strict=True) for edge in pairwise(column)]


def random_graph(nodes: int, edges: int, seed: int) -> list[Edge]:
    """Returns the edges of a connected random graph: a random tree, and random edges beside it."""
    rng = random.Random(seed)
    pairs = {(rng.randrange(node), node) for node in range(1, nodes)}
    while len(pairs) < min(edges, nodes * (nodes - 1) // 2):
        one, other = sorted(rng.sample(range(nodes), 2))
        pairs.add((one, other))
    return [(f"n{one}", f"n{other}") for one, other in sorted(pairs)]


class DaemonMesh:
    """Daemons by name, each dialling the later end of its edges, IPv4 and IPv6 by turns.

    `delays_s` makes cables long, one value for each edge; `seeds` are the keys of nodes that need certain ones.
    """

    def __init__(
        self,
        lab: Lab,
        directory: Path,
        edges: Sequence[Edge],
        *,
        options: Sequence[str | Path] = (),
        delays_s: Sequence[float] = (),
        seeds: Mapping[str, bytes] = {},
    ) -> None:
        names = list(dict.fromkeys(name for edge in edges for name in edge))
        self.lab = lab
        self.hosts: dict[str, LabHost] = dict(zip(names, lab.add_hosts(names), strict=True))
        self.daemons = {
            name: Daemon(host, directory, options=options, seed=seeds.get(name)) for name, host in self.hosts.items()
        }
        lab.daemons += self.daemons.values()
        self.cables: dict[frozenset[str], Cable] = {}
        cables = LongCables()
        for number, (one, two) in enumerate(edges):
            lay = cables.of(delays_s[number]) if delays_s else None
            cable = lab.add_cable(self.hosts[one], self.hosts[two], lay=lay)
            self.cables[frozenset((one, two))] = cable
            far = cable.end(self.hosts[two])
            address = f"[{far.ipv6}]" if number % 2 else far.ipv4
            self.daemons[one].peers.append(f"udp://{address}:{PORT}")
        if delays_s:
            cables.carry(self.hosts[names[0]])

    def __getitem__(self, name: str) -> Daemon:
        return self.daemons[name]

    def cable(self, one: str, two: str) -> Cable:
        """Returns the cable between two nodes."""
        return self.cables[frozenset((one, two))]

    def start(self, names: Iterable[str] | None = None) -> None:
        """Starts daemons, all of them unless named, and waits until they answer."""
        chosen = [self.daemons[name] for name in (names if names is not None else self.daemons)]
        for daemon in chosen:
            daemon.start()
        for daemon in chosen:
            daemon.wait_ready(START_SECONDS + len(chosen))  # all at once on few cores take their time

    def wait_converged(self, seconds: float = CONVERGED_SECONDS) -> None:
        """Waits until every running daemon has a route to every other."""
        running = [daemon for daemon in self.daemons.values() if daemon.is_running]

        def missing() -> list[str]:
            reached = {daemon.name: daemon.reachable_subnets() for daemon in running}
            return [
                f"{daemon.name} to {other.name}"
                for daemon in running
                for other in running
                if other is not daemon and other.subnet not in reached[daemon.name]
            ]

        wait_until(lambda: not missing(), seconds, lambda: f"no route from {', '.join(missing())}")

    def wait_linked(self, seconds: float = SETTLED_SECONDS) -> None:
        """Waits until every cable between running daemons has a link."""
        keys = {name: daemon.public_key for name, daemon in self.daemons.items() if daemon.is_running}
        ends = [(one, other) for edge in self.cables for one, other in permutations(sorted(edge)) if edge <= set(keys)]

        def missing() -> list[str]:
            alive = {name: self.daemons[name].alive_peers() for name in keys}
            return [f"{one} to {other}" for one, other in ends if keys[other] not in alive[one]]

        wait_until(lambda: not missing(), seconds, lambda: f"no link from {', '.join(missing())}")

    def wait_calm(self, round_trip_s: float, seconds: float = SETTLED_SECONDS) -> None:
        """Waits until no link's smoothed round trip is longer: many daemons that start on few cores answer late at first."""

        def slow() -> list[str]:
            time.sleep(QUIET_SECONDS)  # asking keeps them busy, too
            running = [daemon for daemon in self.daemons.values() if daemon.is_running]
            return [daemon.name for daemon in running if daemon.slowest_round_trip_s() > round_trip_s]

        wait_until(lambda: not slow(), seconds, lambda: f"answers are late at {', '.join(slow())}")

    def next_hop(self, one: str, other: str) -> str | None:
        """Returns the neighbour that a node sends to on the way to another; None where it has no route."""
        return self._next_hops(one).get(other)

    def wait_settled(self, seconds: float = SETTLED_SECONDS, *, quiet: float = QUIET_SECONDS) -> None:
        """Waits until all routes and links are there, neighbours are reached directly, and next hops stay as they are."""
        self.wait_converged(seconds)
        deadline = time.monotonic() + seconds
        wait_until(lambda: not self._detours(), seconds, lambda: f"not reached directly: {self._detours()}")
        hops, since = self._all_next_hops(), time.monotonic()
        while time.monotonic() < since + quiet or self._detours():
            assert time.monotonic() < deadline, f"next hops still change after {seconds:g} s"
            time.sleep(quiet / 2)
            if (new := self._all_next_hops()) != hops:
                hops, since = new, time.monotonic()

    def _next_hops(self, name: str) -> dict[str, str]:
        names = {daemon.subnet: name for name, daemon in self.daemons.items()}
        addresses = {daemon.address: name for name, daemon in self.daemons.items()}
        return {names[subnet]: addresses[hop] for subnet, hop in self.daemons[name].next_hops().items()}

    def _all_next_hops(self) -> dict[str, dict[str, str]]:
        return {name: self._next_hops(name) for name, daemon in self.daemons.items() if daemon.is_running}

    def _detours(self) -> list[str]:
        """Returns the links, as from one end, that are not up or not the way to the other end."""
        hops = self._all_next_hops()
        ends = [(one, other) for edge in self.cables for one, other in permutations(sorted(edge))]
        return [f"{one} to {other}" for one, other in ends if one in hops and hops[one].get(other) != other]

    def stop(self) -> None:
        """Kills what runs."""
        for daemon in self.daemons.values():
            if daemon.is_running:
                daemon.kill()
