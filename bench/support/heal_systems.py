"""The meshes that trials break: this repository's daemon, and other systems on the same hosts and cables.

Each tells which neighbour carries the traffic, so that a trial breaks the right one.
"""

import json
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import cycle, permutations
from pathlib import Path
from typing import Final

from bench.support.peers import start_yggdrasil
from tests.lab.cable import Cable
from tests.lab.laboratory import Lab
from tests.lab.mesh import DaemonMesh, Edge, trace_path
from tests.lab.namespaces import LabHost
from tests.lab.ping import answers, ping
from tests.lab.waiting import wait_steady, wait_until

READY_SECONDS: Final = 120.0
STEADY_SECONDS: Final = 1.0
SMALL_MESH: Final = 10  # hosts; in larger meshes only the measured path is waited for, not every next hop
CALM_ROUND_TRIP_S: Final = 0.005  # smoothed, of each link; daemons that are still busy with starting take longer
MIXED_SCHEMES: Final = (("udp", "tcp"), ("quic",), ("tcp",), ("udp", "quic", "tcp", "tls"))  # of links, by turns
COUNTED_PINGS: Final = 30
COUNTED_BYTES: Final = 1_000


class Network(ABC):
    """Hosts and the cables between them, with a daemon in each host."""

    hosts: Mapping[str, LabHost]
    cables: Mapping[frozenset[str], Cable]

    @abstractmethod
    def start(self) -> None:
        """Starts all daemons and waits until nothing changes any more."""

    @abstractmethod
    def address(self, name: str) -> str:
        """Returns the address at which a host is reached over the mesh."""

    @abstractmethod
    def next_hop(self, name: str, destination: str) -> str | None:
        """Returns a host's next hop towards another host; None if it has no route."""

    @abstractmethod
    def kill(self, name: str) -> None:
        """Ends a daemon so that it can do nothing about it."""

    def steady_path(self, one: str, other: str) -> list[str]:
        """Returns the path between two hosts, both included, once it has been the same for a while."""
        path = partial(trace_path, self.next_hop, one, other)
        return wait_steady(path, STEADY_SECONDS, READY_SECONDS, f"a steady path from {one} to {other}")

    def edges_of(self, name: str) -> frozenset[frozenset[str]]:
        """Returns the edges that end at a host."""
        return frozenset(edge for edge in self.cables if name in edge)


class MyceliumNetwork(Network):
    """The daemon of this repository."""

    def __init__(self, lab: Lab, directory: Path, edges: Sequence[Edge]) -> None:
        self.mesh = DaemonMesh(lab, directory, edges, options=["--log-format", "plain"])
        self.hosts = self.mesh.hosts
        self.cables = self.mesh.cables

    def start(self) -> None:
        """Starts all daemons and waits until nothing changes any more."""
        self.mesh.start()
        self._wait_for_rest()

    def address(self, name: str) -> str:
        """Returns the overlay address."""
        return self.mesh[name].address

    def next_hop(self, name: str, destination: str) -> str | None:
        """Asks the daemon's API."""
        return self.mesh.next_hop(name, destination)

    def kill(self, name: str) -> None:
        """Ends a daemon so that it can do nothing about it."""
        self.mesh[name].kill()

    def mend(self) -> None:
        """Repairs every cable, restarts every dead daemon, and waits until nothing changes any more."""
        for cable in self.cables.values():
            cable.mend()
            cable.set_carrier(up=True)
        self.mesh.start([name for name, daemon in self.mesh.daemons.items() if not daemon.is_running])
        self._wait_for_rest()

    def _wait_for_rest(self) -> None:
        if len(self.hosts) <= SMALL_MESH:
            self.mesh.wait_settled(READY_SECONDS)
        else:
            self.mesh.wait_linked(READY_SECONDS)
            self.mesh.wait_converged(READY_SECONDS)
            self.mesh.wait_calm(CALM_ROUND_TRIP_S, READY_SECONDS)


class MixedNetwork(MyceliumNetwork):
    """The daemon of this repository, its links over different transports."""

    def __init__(self, lab: Lab, directory: Path, edges: Sequence[Edge]) -> None:
        super().__init__(lab, directory, edges)
        dialled = [(daemon, url) for daemon in self.mesh.daemons.values() for url in daemon.peers]
        for daemon in self.mesh.daemons.values():
            daemon.peers = []
        for (daemon, url), schemes in zip(dialled, cycle(MIXED_SCHEMES), strict=False):
            daemon.peers += [url.replace("udp://", f"{scheme}://") for scheme in schemes]


class _OtherNetwork(Network):
    """What the other systems share: cables made from edges, and processes to kill."""

    def __init__(self, lab: Lab, directory: Path, edges: Sequence[Edge]) -> None:
        names = list(dict.fromkeys(name for edge in edges for name in edge))
        self.directory = directory
        self.hosts = dict(zip(names, lab.add_hosts(names), strict=True))
        self.cables = {
            frozenset((one, other)): lab.add_cable(self.hosts[one], self.hosts[other]) for one, other in edges
        }
        self.addresses: dict[str, str] = {}
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def address(self, name: str) -> str:
        """Returns the address in the mesh."""
        return self.addresses[name]

    def kill(self, name: str) -> None:
        """Ends a daemon so that it can do nothing about it."""
        self.processes[name].kill()
        self.processes[name].wait()

    def neighbour_at(self, name: str, interface: str) -> str | None:
        """Returns who is at the other end of an interface's cable."""
        host = self.hosts[name]
        for edge in sorted(self.edges_of(name), key=sorted):
            cable = self.cables[edge]
            if cable.end(host).interface == interface:
                return cable.far_end(host).host.name
        return None

    def _wait_for_answers(self) -> None:
        for one, other in permutations(self.hosts, 2):
            host, address = self.hosts[one], self.address(other)
            wait_until(partial(answers, host, address, count=10), READY_SECONDS, f"{other} answers {one}")


class YggdrasilNetwork(_OtherNetwork):
    """Yggdrasil with TCP peerings, otherwise as it comes."""

    def start(self) -> None:
        """Starts them one by one, each dialling those that already listen: a refused dial is retried only after a minute."""
        for name, host in self.hosts.items():
            earlier = [
                self.cables[edge] for edge in sorted(self.edges_of(name), key=sorted) if edge & set(self.addresses)
            ]
            dialled = [cable.far_end(host).ipv4 for cable in earlier]
            self.addresses[name], self.processes[name] = start_yggdrasil(host, self.directory, dialled)
        self._wait_for_answers()

    def next_hop(self, name: str, destination: str) -> str | None:
        """Returns the neighbour on the cable that carries most of the bytes of some pings."""
        before = self._sent_bytes(name)
        ping(self.hosts[name], self.address(destination), count=COUNTED_PINGS, size=COUNTED_BYTES)
        after = self._sent_bytes(name)
        return max(after, key=lambda neighbour: after[neighbour] - before[neighbour])

    def _sent_bytes(self, name: str) -> dict[str, int]:
        counted = json.loads(self.hosts[name].run("ip", "-j", "-s", "link").stdout)
        by_neighbour = {self.neighbour_at(name, one["ifname"]): one["stats64"]["tx"]["bytes"] for one in counted}
        return {neighbour: sent for neighbour, sent in by_neighbour.items() if neighbour is not None}


class BabelNetwork(_OtherNetwork):
    """babeld with Debian's (empty) configuration: hellos every 4 s on wires, updates every 16 s; the kernel forwards."""

    def __init__(self, lab: Lab, directory: Path, edges: Sequence[Edge]) -> None:
        super().__init__(lab, directory, edges)
        for number, (name, host) in enumerate(self.hosts.items(), start=1):
            self.addresses[name] = f"fd99::{number}"
            host.ip(f"address add fd99::{number}/128 dev lo")
            host.sysctl("net.ipv6.conf.all.forwarding", 1)
        for cable in self.cables.values():
            for end in cable.ends:  # so that pings come from the address that is announced
                end.host.ip(f"address del {end.ipv6}/64 dev {end.interface}")

    def start(self) -> None:
        """Starts all and waits until neighbours reach each other directly, and all answer."""
        for name, host in self.hosts.items():
            interfaces = [self.cables[edge].end(host).interface for edge in sorted(self.edges_of(name), key=sorted)]
            files = ("-I", self.directory / f"{name}.pid", "-S", self.directory / f"{name}.state")
            with (self.directory / f"{name}.log").open("w") as log:
                process = host.start("babeld", *files, *interfaces, stdout=log, stderr=subprocess.STDOUT)
            self.processes[name] = process
        for edge in sorted(self.cables, key=sorted):
            for one, other in permutations(sorted(edge)):
                wait_until(partial(self._is_direct, one, other), READY_SECONDS, f"{one} reaches {other} directly")
        self._wait_for_answers()

    def next_hop(self, name: str, destination: str) -> str | None:
        """Asks the kernel."""
        done = self.hosts[name].run("ip", "-6", "-j", "route", "get", self.address(destination), check=False)
        routes = json.loads(done.stdout or "[]")
        return self.neighbour_at(name, routes[0]["dev"]) if routes else None

    def _is_direct(self, one: str, other: str) -> bool:
        return self.next_hop(one, other) == other


MakeNetwork = Callable[[Lab, Path, Sequence[Edge]], Network]

NETWORKS: Final[dict[str, MakeNetwork]] = {
    "mycelium": MyceliumNetwork,
    "mycelium-mixed": MixedNetwork,
    "yggdrasil": YggdrasilNetwork,
    "babeld": BabelNetwork,
}
