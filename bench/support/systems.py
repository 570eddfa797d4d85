"""What the benchmarks compare: each sets up a line of hosts and gives its ends addresses to talk over."""

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

from tests.lab.cable import Cable
from tests.lab.daemon import PORT
from tests.lab.laboratory import Lab
from tests.lab.mesh import DaemonMesh, line
from tests.lab.namespaces import LabHost
from tests.lab.ping import answers
from tests.lab.waiting import wait_until

READY_SECONDS: Final = 30.0
WIREGUARD_PORT: Final = 51_820
YGGDRASIL_PORT: Final = 9_001


@dataclass(frozen=True)
class Line:
    """A line of hosts that is up: traffic goes from the first to `address`, which the last one has."""

    first: LabHost
    last: LabHost
    address: str
    cables: list[Cable]


# makes a line with a number of relays; files go to the directory
System = Callable[[Lab, Path, int], Line]


def mycelium(lab: Lab, directory: Path, relays: int, *, scheme: str = "udp") -> Line:
    """The daemon of this repository, with links over one kind of transport."""
    names = _names(relays)
    mesh = DaemonMesh(lab, directory, line(*names), options=["--no-shortcuts"])
    for daemon in mesh.daemons.values():
        daemon.peers = [url.replace("udp://", f"{scheme}://") for url in daemon.peers]
    mesh.start()
    mesh.wait_converged()
    first, last = mesh[names[0]], mesh[names[-1]]
    return _checked(Line(first.host, last.host, last.address, lab.cables))


def mycelium_leased(lab: Lab, directory: Path, relays: int) -> Line:
    """The daemon of this repository, where the kernel of the relay between two ends passes their datagrams on."""
    names = _names(relays)
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
    first, last = _two_hosts(lab, relays)
    return _checked(Line(first, last, lab.cables[0].end(last).ipv6, lab.cables))


def wireguard_go(lab: Lab, directory: Path, relays: int) -> Line:
    """wireguard-go: one point-to-point tunnel, no mesh."""
    hosts = _two_hosts(lab, relays)
    keys = [host.run("wg", "genkey").stdout.strip() for host in hosts]
    for number, (host, other, key, other_key) in enumerate(zip(hosts, hosts[::-1], keys, keys[::-1], strict=True), 1):
        file = directory / f"{host.name}.wg"
        file.write_text(key)
        other_public = host.run("sh", "-c", f"echo {other_key} | wg pubkey").stdout.strip()
        host.run("wireguard-go", f"wg{number}")
        endpoint = f"{lab.cables[0].end(other).ipv4}:{WIREGUARD_PORT}"
        peer = ("peer", other_public, "allowed-ips", "::/0", "endpoint", endpoint)
        host.run("wg", "set", f"wg{number}", "listen-port", str(WIREGUARD_PORT), "private-key", file, *peer)
        host.ip(f"address add fd77::{number}/64 dev wg{number} nodad", f"link set wg{number} up mtu 1420")
    return _checked(Line(hosts[0], hosts[1], "fd77::2", lab.cables))


def yggdrasil(lab: Lab, directory: Path, relays: int) -> Line:
    """Yggdrasil with TCP peerings."""
    hosts = lab.add_hosts(_names(relays))
    cables = [lab.add_cable(one, other) for one, other in pairwise(hosts)]
    addresses = []
    for number, host in reversed(
        list(enumerate(hosts))
    ):  # listeners first: a refused dial is retried only after a minute
        dialled = [cables[number].far_end(host).ipv4] if host is not hosts[-1] else []
        addresses.append(start_yggdrasil(host, directory, dialled)[0])
    return _checked(Line(hosts[0], hosts[-1], addresses[0], cables))


def start_yggdrasil(host: LabHost, directory: Path, dialled: Sequence[str]) -> "tuple[str, subprocess.Popen[str]]":
    """Starts yggdrasil, dialling IPv4 addresses, waits until it listens, and returns its own address and its process."""
    file = directory / f"{host.name}.conf"
    config = json.loads(host.run("yggdrasil", "-genconf", "-json").stdout)
    peers = [f"tcp://{address}:{YGGDRASIL_PORT}" for address in dialled]
    config |= {"Listen": [f"tcp://0.0.0.0:{YGGDRASIL_PORT}"], "Peers": peers, "MulticastInterfaces": []}
    config |= {"AdminListen": "none", "IfName": "ygg0"}
    file.write_text(json.dumps(config))
    address = host.run("yggdrasil", "-useconffile", file, "-address").stdout.strip()
    with (directory / f"{host.name}.log").open("w") as log:
        process = host.start("yggdrasil", "-useconffile", file, stdout=log, stderr=subprocess.STDOUT)
    wait_until(partial(host.listens, YGGDRASIL_PORT), READY_SECONDS, "yggdrasil listens")
    return address, process


SYSTEMS: Final[dict[str, System]] = {
    "mycelium": mycelium,
    "mycelium-leased": mycelium_leased,
    **{f"mycelium-{scheme}": partial(mycelium, scheme=scheme) for scheme in ("quic", "tcp", "tls", "wss")},
    "veth": veth,
    "wireguard-go": wireguard_go,
    "yggdrasil": yggdrasil,
}
PROGRAMS: Final = {"babeld": ("babeld",), "wireguard-go": ("wireguard-go", "wg"), "yggdrasil": ("yggdrasil",)}
NUMBERS_OF_RELAYS: Final = {"veth": (0,), "wireguard-go": (0,), "mycelium-leased": (1,)}  # of those that can't have any


def is_installed(name: str) -> bool:
    """Tells whether the programs of a system are there."""
    return all(shutil.which(program) for program in PROGRAMS.get(name, ()))


def _names(relays: int) -> list[str]:
    return [f"n{number}" for number in range(relays + 2)]


def _two_hosts(lab: Lab, relays: int) -> list[LabHost]:
    if relays:
        raise ValueError("this system has no relays")
    hosts = lab.add_hosts(_names(0))
    lab.add_cable(*hosts)
    return hosts


def _checked(made: Line) -> Line:
    wait_until(lambda: answers(made.first, made.address), READY_SECONDS, f"{made.address} answers")
    return made
