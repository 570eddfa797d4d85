"""A network of hosts, cables and daemons, made from the names of its nodes and its edges."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise, permutations
from pathlib import Path
from typing import Final

from tests.lab.cable import Cable
from tests.lab.cable_emulator import CableTraits
from tests.lab.daemon import PORT, LabDaemon, start_all
from tests.lab.laboratory import Lab
from tests.lab.namespaces import LabHost
from tests.lab.waiting import POLL_SECONDS, wait_steady, wait_until

CONVERGED_SECONDS: Final = 30.0
SETTLED_SECONDS: Final = 60.0
QUIET_SECONDS: Final = 1.0  # without a change before a mesh counts as settled

Edge = tuple[str, str]
NextHops = dict[str, dict[str, str]]  # node -> destination -> neighbour


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


def trace_path(next_hop: Callable[[str, str], str | None], one: str, other: str) -> list[str]:
    """Returns the nodes that next hops lead through, both ends included; empty if one is missing or they form a loop."""
    path = [one]
    while path[-1] != other:
        hop = next_hop(path[-1], other)
        if hop is None or hop in path:
            return []
        path.append(hop)
    return path


class DaemonMesh:
    """Daemons by name, each dialling the later end of its edges, IPv4 and IPv6 by turns.

    `traits` are those of the cables, one for each edge; without them they are veth pairs. `seeds` are the keys of nodes that
    need certain ones.
    """

    def __init__(
        self,
        lab: Lab,
        directory: Path,
        edges: Sequence[Edge],
        *,
        options: Sequence[str | Path] = (),
        traits: Sequence[CableTraits] = (),
        seeds: Mapping[str, bytes] = {},
    ) -> None:
        names = list(dict.fromkeys(name for edge in edges for name in edge))
        self.lab = lab
        self.hosts: dict[str, LabHost] = dict(zip(names, lab.add_hosts(names), strict=True))
        self.daemons = {
            name: LabDaemon(host, directory, options=options, seed=seeds.get(name)) for name, host in self.hosts.items()
        }
        lab.daemons += self.daemons.values()
        self.cables: dict[frozenset[str], Cable] = {}
        for number, (one, two) in enumerate(edges):
            cable = lab.add_cable(self.hosts[one], self.hosts[two], traits=traits[number] if traits else None)
            self.cables[frozenset((one, two))] = cable
            far = cable.end(self.hosts[two])
            address = f"[{far.ipv6}]" if number % 2 else far.ipv4
            self.daemons[one].peers.append(f"udp://{address}:{PORT}")

    def __getitem__(self, name: str) -> LabDaemon:
        return self.daemons[name]

    def cable(self, one: str, two: str) -> Cable:
        """Returns the cable between two nodes."""
        return self.cables[frozenset((one, two))]

    def start(self, names: Iterable[str] | None = None) -> None:
        """Starts daemons, all of them unless named, and waits until they answer."""
        start_all([self.daemons[name] for name in (names if names is not None else self.daemons)])

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

        every_s = POLL_SECONDS * len(running)  # asking more often would keep them busy
        wait_until(lambda: not missing(), seconds, lambda: f"no route from {', '.join(missing())}", every_s=every_s)

    def wait_linked(self, seconds: float = SETTLED_SECONDS) -> None:
        """Waits until every cable between running daemons has a link."""
        keys = {name: daemon.public_key for name, daemon in self.daemons.items() if daemon.is_running}
        ends = [(one, other) for edge in self.cables for one, other in permutations(sorted(edge)) if edge <= set(keys)]

        def missing() -> list[str]:
            alive = {name: self.daemons[name].alive_peers() for name in keys}
            return [f"{one} to {other}" for one, other in ends if keys[other] not in alive[one]]

        every_s = POLL_SECONDS * len(keys)
        wait_until(lambda: not missing(), seconds, lambda: f"no link from {', '.join(missing())}", every_s=every_s)

    def wait_calm(self, round_trip_s: float, seconds: float = SETTLED_SECONDS) -> None:
        """Waits until no link's smoothed round trip is longer than this; while many daemons start, all of them answer late."""

        def slow() -> list[str]:
            running = [daemon for daemon in self.daemons.values() if daemon.is_running]
            return [daemon.name for daemon in running if daemon.slowest_round_trip_s() > round_trip_s]

        def what() -> str:
            return f"answers are late at {', '.join(slow())}"

        wait_until(lambda: not slow(), seconds, what, every_s=QUIET_SECONDS)

    def next_hop(self, one: str, other: str) -> str | None:
        """Returns a node's next hop towards another node; None if it has no route."""
        return self._next_hops(one).get(other)

    def path(self, one: str, other: str) -> list[str]:
        """Returns the nodes on the path from one to another, both included; empty if there is none."""
        return trace_path(self.next_hop, one, other)

    def wait_settled(self, seconds: float = SETTLED_SECONDS, *, quiet: float = QUIET_SECONDS) -> None:
        """Waits until all routes and links are there, neighbours are reached directly, and next hops stay as they are."""
        self.wait_converged(seconds)

        def direct_hops() -> NextHops:
            hops = self._all_next_hops()
            return {} if self._detours(hops) else hops

        def what() -> str:
            return f"next hops are steady; not reached directly: {self._detours(self._all_next_hops())}"

        wait_steady(direct_hops, quiet, seconds, what)

    def _next_hops(self, name: str) -> dict[str, str]:
        names = {daemon.subnet: name for name, daemon in self.daemons.items()}
        addresses = {daemon.address: name for name, daemon in self.daemons.items()}
        return {names[subnet]: addresses[hop] for subnet, hop in self.daemons[name].next_hops().items()}

    def _all_next_hops(self) -> NextHops:
        return {name: self._next_hops(name) for name, daemon in self.daemons.items() if daemon.is_running}

    def _detours(self, hops: NextHops) -> list[str]:
        """Returns the cables, by direction, whose far end is not its own next hop."""
        ends = [(one, other) for edge in self.cables for one, other in permutations(sorted(edge))]
        return [f"{one} to {other}" for one, other in ends if one in hops and hops[one].get(other) != other]

    def stop(self) -> None:
        """Kills all running daemons."""
        for daemon in self.daemons.values():
            if daemon.is_running:
                daemon.kill()
