"""A network of hosts, cables and daemons, made from the names of its nodes and its edges."""

import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import networkx

from tests.support.daemon import PORT, START_SECONDS, Daemon
from tests.support.namespaces import Host, Lab, Link
from tests.support.waiting import wait_until

CONVERGED_SECONDS: Final = 15.0

Edge = tuple[str, str]


def line(*names: str) -> list[Edge]:
    """Returns the edges of a line."""
    return list(pairwise(names))


def ring(*names: str) -> list[Edge]:
    """Returns the edges of a ring."""
    return [*line(*names), (names[-1], names[0])]


def random_graph(nodes: int, edges: int, seed: int) -> list[Edge]:
    """Returns the edges of a connected random graph: a random tree, and random edges beside it."""
    rng = random.Random(seed)
    graph = networkx.Graph((rng.randrange(node), node) for node in range(1, nodes))
    while graph.number_of_edges() < min(edges, nodes * (nodes - 1) // 2):
        graph.add_edge(*rng.sample(range(nodes), 2))
    return [(f"n{one}", f"n{other}") for one, other in sorted(graph.edges)]


class Mesh:
    """Daemons by name, each dialling the later end of its edges, IPv4 and IPv6 by turns."""

    def __init__(self, lab: Lab, directory: Path, edges: Sequence[Edge], *, options: Sequence[str | Path] = ()) -> None:
        names = list(dict.fromkeys(name for edge in edges for name in edge))
        self.lab = lab
        self.hosts: dict[str, Host] = dict(zip(names, lab.add_hosts(names), strict=True))
        self.daemons = {name: Daemon(host, directory, options=options) for name, host in self.hosts.items()}
        lab.daemons += self.daemons.values()
        self.links: dict[frozenset[str], Link] = {}
        for number, (one, two) in enumerate(edges):
            link = lab.add_link(self.hosts[one], self.hosts[two])
            self.links[frozenset((one, two))] = link
            far = link.end(self.hosts[two])
            address = f"[{far.ipv6}]" if number % 2 else far.ipv4
            self.daemons[one].peers.append(f"udp://{address}:{PORT}")

    def __getitem__(self, name: str) -> Daemon:
        return self.daemons[name]

    def link(self, one: str, two: str) -> Link:
        """Returns the cable between two nodes."""
        return self.links[frozenset((one, two))]

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
            return [
                f"{daemon.name} to {other.name}"
                for daemon in running
                for other in running
                if other is not daemon and other.subnet not in daemon.reachable_subnets()
            ]

        wait_until(lambda: not missing(), seconds, lambda: f"no route from {', '.join(missing())}")

    def stop(self) -> None:
        """Kills what runs."""
        for daemon in self.daemons.values():
            if daemon.is_running:
                daemon.kill()
