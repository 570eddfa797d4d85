"""A laboratory of hosts and cables that leaves nothing behind.

Every name on the system begins with the process that made it, so that runs don't meet and what a killed run left is found
and removed by the next.
"""

import os
import re
import shutil
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

from tests.lab.cable import Cable, CableEnd, lay_tap, lay_veth
from tests.lab.cable_emulator import CableEmulator, CableTraits
from tests.lab.namespaces import LabHost, remove_namespace, run_batch
from tests.lab.process import cpu_seconds

PREFIX: Final = "mycelium-lab"
TOOLS: Final = ("ip", "nft", "ping", "setpriv", "ss")

_numbers = count(1)


def is_available() -> bool:
    """Tells whether this process may make namespaces and has the tools for it."""
    return os.geteuid() == 0 and all(shutil.which(tool) for tool in TOOLS)


class Logging(Protocol):
    """Something in a laboratory that keeps a log."""

    name: str

    def log_tail(self) -> str: ...
    def complaint(self) -> str: ...


class Lab:
    """Hosts and the cables between them; closing it kills what runs in the hosts and removes them.

    `daemons` is who has something to tell when a test fails.
    """

    def __init__(self) -> None:
        self.hosts: list[LabHost] = []
        self.daemons: list[Logging] = []
        self.cables: list[Cable] = []
        self._emulator: CableEmulator | None = None
        self._name = f"{PREFIX}-{os.getpid()}-{next(_numbers)}"

    def __enter__(self) -> "Lab":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add_hosts(self, names: Sequence[str]) -> list[LabHost]:
        """Makes namespaces with their loopback interface up."""
        hosts = [LabHost(name, f"{self._name}-{name}") for name in names]
        self.hosts += hosts
        run_batch("ip", lines=[f"netns add {host.namespace}" for host in hosts])
        for host in hosts:
            host.ip("link set lo up")
            host.sysctl(
                "net.ipv6.conf.default.accept_dad", 0
            )  # addresses are unique, so duplicate detection would only delay
            host.sysctl("net.ipv6.conf.default.keep_addr_on_down", 1)  # as a network manager would set it
        return hosts

    def add_cable(
        self, first: LabHost, second: LabHost, *, traits: CableTraits | None = None, octet: int = 10
    ) -> Cable:
        """Joins two hosts by a cable with a /24 and a /64 of its own: a veth pair, or an emulated cable with these traits.

        IPv4 addresses begin with `octet`.
        """
        number = len(self.cables) + 1
        ends = []
        for side, host in enumerate((first, second), start=1):
            ipv4 = f"{octet}.{number >> 8}.{number & 255}.{side}"
            ends.append(CableEnd(host, f"eth{host.interfaces}", ipv4, f"fd00:0:0:{number:x}::{side}"))
            host.interfaces += 1
        one, two = ends
        if traits is None:
            lay_veth(one, two, number)
        else:
            self._emulator = self._emulator or CableEmulator()
            lay_tap(one, two, traits, self._emulator)
        for end in ends:
            end.host.ip(
                f"address add {end.ipv4}/24 dev {end.interface}",
                f"address add {end.ipv6}/64 dev {end.interface} nodad",
                f"link set {end.interface} up",
            )
            # A host may send from a new address some ms before it hears solicitations for it; the next comes after this time.
            end.host.sysctl(f"net.ipv6.neigh.{end.interface}.retrans_time_ms", 50)
        cable = Cable(one, two)
        self.cables.append(cable)
        return cable

    def emulator_cpu_seconds(self) -> float:
        """Returns the processor time that emulated cables have taken."""
        return 0.0 if self._emulator is None else cpu_seconds(self._emulator.pid)

    def close(self) -> None:
        """Kills every process in the hosts and removes the namespaces; may be called twice."""
        if self._emulator is not None:
            self._emulator.close()
            self._emulator = None
        for host in self.hosts:
            host.close()
        self.hosts.clear()


def remove_leftovers() -> None:
    """Removes the namespaces of laboratories whose process is gone."""
    namespaces = Path("/run/netns")
    for path in sorted(namespaces.glob(f"{PREFIX}-*")) if namespaces.is_dir() else []:
        made_by = re.match(rf"{PREFIX}-(\d+)-", path.name)
        if made_by and not Path("/proc", made_by[1]).exists():
            remove_namespace(path.name)
