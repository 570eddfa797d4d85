"""The systems of this repository that benchmarks compare with peers (peers.py): each sets up a line of hosts.

The ends of a line have addresses to talk over. `veth` is the bare cable and `limit` the ceiling of a tunnel of this kind.
"""

import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from bench.support.line import READY_SECONDS, Line, checked, names_of, two_hosts
from bench.support.peers import nebula, tinc, wireguard_go, yggdrasil
from mycelium.limits import GSO_BYTES, OVERLAY_MTU
from tests.lab.daemon import PORT
from tests.lab.laboratory import Lab
from tests.lab.mesh import DaemonMesh, line
from tests.lab.ping import answers
from tests.lab.waiting import wait_until

LIMIT_SOURCE: Final = Path(__file__).with_name("limit.c")
LIMIT_PORT: Final = 9_700

# makes a line with a number of relays; files go to the directory
System = Callable[[Lab, Path, int], Line]


def mycelium(lab: Lab, directory: Path, relays: int, *, scheme: str = "udp") -> Line:
    """The daemon of this repository, with links over one kind of transport."""
    names = names_of(relays)
    mesh = DaemonMesh(lab, directory, line(*names), options=["--no-shortcuts"])
    for daemon in mesh.daemons.values():
        daemon.peers = [url.replace("udp://", f"{scheme}://") for url in daemon.peers]
    mesh.start()
    mesh.wait_converged()
    first, last = mesh[names[0]], mesh[names[-1]]
    return checked(Line(first.host, last.host, last.address, lab.cables))


def mycelium_leased(lab: Lab, directory: Path, relays: int) -> Line:
    """The daemon of this repository, where the kernel of the relay between two ends passes their datagrams on."""
    names = names_of(relays)
    mesh = DaemonMesh(lab, directory, line(*names))
    for number, cable in enumerate(lab.cables):  # a leased port serves one version of IP
        mesh[names[number]].peers = [f"udp://{cable.ends[1].ipv4}:{PORT}"]
    mesh.start()
    mesh.wait_converged()
    first, last = mesh[names[0]], mesh[names[-1]]

    def is_leased() -> bool:
        return answers(first.host, last.address) and mesh.path(names[0], names[-1]) == [names[0], names[-1]]

    wait_until(is_leased, READY_SECONDS, "the ends are linked across a leased port", every_s=0.2)
    return Line(first.host, last.host, last.address, lab.cables)


def veth(lab: Lab, directory: Path, relays: int) -> Line:
    """The bare cable, for comparison."""
    first, last = two_hosts(lab, relays)
    return checked(Line(first, last, lab.cables[0].end(last).ipv6, lab.cables))


def limit(lab: Lab, directory: Path, relays: int) -> Line:
    """A forwarder in C between a TUN device and a UDP socket, with all offloads and no cipher (limit.c)."""
    hosts = two_hosts(lab, relays)
    program = directory / "limit"
    subprocess.run(["gcc", "-O2", "-o", program, LIMIT_SOURCE], check=True)
    for number, (host, other) in enumerate(zip(hosts, hosts[::-1], strict=True), 1):
        ends = [lab.cables[0].end(end).ipv6 for end in (host, other)]
        host.start(program, "limit0", *ends, str(LIMIT_PORT))
        wait_until(partial(host.has_interface, "limit0"), READY_SECONDS, "the forwarder has its device")
        host.ip(
            f"link set limit0 mtu {OVERLAY_MTU} gso_max_size {GSO_BYTES} up",
            f"address add fd79::{number}/64 dev limit0 nodad",
        )
    return checked(Line(hosts[0], hosts[1], "fd79::2", lab.cables))


SYSTEMS: Final[dict[str, System]] = {
    "mycelium": mycelium,
    "mycelium-leased": mycelium_leased,
    **{f"mycelium-{scheme}": partial(mycelium, scheme=scheme) for scheme in ("quic", "tcp", "tls", "wss")},
    "limit": limit,
    "nebula": nebula,
    "tinc": tinc,
    "veth": veth,
    "wireguard-go": wireguard_go,
    "yggdrasil": yggdrasil,
}
PROGRAMS: Final = {
    "babeld": ("babeld",),
    "limit": ("gcc",),
    "nebula": ("nebula", "nebula-cert"),
    "tinc": ("tincd",),
    "wireguard-go": ("wireguard-go", "wg"),
    "yggdrasil": ("yggdrasil",),
}
# of those that can't have any
NUMBERS_OF_RELAYS: Final = {
    "limit": (0,),
    "veth": (0,),
    "wireguard-go": (0,),
    "mycelium-leased": (1,),
    "nebula": (0, 1),
}


def is_installed(name: str) -> bool:
    """Tells whether the programs of a system are there."""
    return all(shutil.which(program) for program in PROGRAMS.get(name, ()))
