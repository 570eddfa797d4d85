"""Nodes that move: to another network, behind another port of a router, from one uplink to another, two at once."""

from pathlib import Path
from typing import Final

import pytest

from tests.lab.cable import Cable
from tests.lab.daemon import PORT, LabDaemon, start_all
from tests.lab.laboratory import Lab
from tests.lab.mesh import Edge, line, ring
from tests.lab.namespaces import LabHost
from tests.lab.traffic import Stream
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import BACK_SECONDS, HEALED_SECONDS, is_answered, outage_of, wait_told

pytestmark = pytest.mark.netns

DIALLED_SECONDS: Final = 10.0


@pytest.mark.parametrize(
    ("edges", "seconds"),
    [(ring("a", "b", "c"), HEALED_SECONDS), (line("a", "b"), DIALLED_SECONDS)],
    ids=["by another neighbour", "by the peer list"],
)
def test_two_neighbours_that_move_at_once_find_each_other(
    make_mesh: MakeMesh, edges: list[Edge], seconds: float
) -> None:
    mesh = make_mesh(edges)
    a, b = mesh["a"], mesh["b"]
    cable = mesh.cable("a", "b")
    a.host.name_hosts({"b.test": cable.end(b.host).ipv4})
    a.peers[0] = f"udp://b.test:{PORT}"
    mesh.start()
    mesh.wait_converged()
    mesh.wait_linked()
    since = a.newest_event()

    def move() -> None:
        cable.cut()  # so that neither hears of the other's new address from the old one
        a.host.name_hosts({"b.test": "10.0.1.88"})
        cable.change_address(a.host, "10.0.1.77", "fd00:0:0:1::77")
        cable.change_address(b.host, "10.0.1.88", "fd00:0:0:1::88")
        cable.mend()

    assert outage_of(a, b, move) < seconds
    down = wait_told(a, "link-down", since, node=b.address)
    wait_told(a, "link-up", down["sequence"], node=b.address)
    wait_until(lambda: addresses(a)[b.public_key] == f"10.0.1.88:{PORT}", BACK_SECONDS, "a has found b")
    wait_until(lambda: addresses(b)[a.public_key] == f"10.0.1.77:{PORT}", BACK_SECONDS, "b has found a")


def addresses(daemon: LabDaemon) -> dict[str, str]:
    """Returns where it reaches its neighbours, by their keys."""
    return {
        peer["publicKey"]: peer["endpoint"]["socketAddr"] for peer in daemon.get("admin/peers") if "publicKey" in peer
    }


def make_pair(directory: Path, one: LabHost, other: LabHost, cable: Cable) -> tuple[LabDaemon, LabDaemon]:
    """Makes two daemons, the first of which dials the other at its end of a cable."""
    a, b = LabDaemon(one, directory), LabDaemon(other, directory)
    a.peers.append(f"udp://{cable.end(other).ipv4}:{PORT}")
    return a, b


def start_pair(lab: Lab, a: LabDaemon, b: LabDaemon) -> None:
    lab.daemons += [a, b]
    start_all([a, b])
    wait_until(lambda: is_answered(a, b), BACK_SECONDS, "they reach each other")


def masquerade(router: LabHost, interface: str, ports: str) -> None:
    """Makes a router give out other ports from now on, and forget those it gave out."""
    from pyroute2 import NFCTSocket

    rule = f'oifname "{interface}" meta l4proto udp masquerade to :{ports}'
    chain = f"chain leaving {{\n type nat hook postrouting priority srcnat; {rule}\n }}\n"
    router.apply_rules(f"table ip nat\ndelete table ip nat\ntable ip nat {{\n {chain} }}\n")
    with router.entered(), NFCTSocket() as tracking:
        tracking.flush()


def test_a_connection_outlives_the_ports_of_a_router(lab: Lab, tmp_path: Path) -> None:
    one, router, other = lab.add_hosts(["a", "router", "b"])
    inside, outside = lab.add_cable(one, router), lab.add_cable(router, other)
    one.ip(f"route add default via {inside.end(router).ipv4}")
    router.sysctl("net.ipv4.ip_forward", 1)
    masquerade(router, outside.end(router).interface, "40000-44999")
    a, b = make_pair(tmp_path, one, other, outside)
    start_pair(lab, a, b)
    since, last = b.newest_event(), a.newest_event()
    seen = addresses(b)[a.public_key]
    assert seen.startswith(f"{outside.end(router).ipv4}:4")
    with Stream(one, other, b.address) as stream:
        stream.wait_flowing()
        masquerade(router, outside.end(router).interface, "50000-54999")
        stream.wait_flowing()
    moved = wait_told(b, "link-moved", since, node=a.address, before=f"udp://{seen}")
    assert moved["after"].startswith(f"udp://{outside.end(router).ipv4}:5")
    assert not b.events(since, "link-down") + a.events(last, "link-down")


def test_a_link_moves_to_another_uplink(lab: Lab, tmp_path: Path) -> None:
    """As from Wi-Fi to 5G: the default route is another, and what is sent from the old address goes nowhere."""
    one, router, other = lab.add_hosts(["a", "router", "b"])
    first, second, far = lab.add_cable(one, router), lab.add_cable(one, router), lab.add_cable(router, other)
    router.sysctl("net.ipv4.ip_forward", 1)
    one.ip(f"route add default via {first.end(router).ipv4}")
    other.ip(f"route add default via {far.end(router).ipv4}")
    a, b = make_pair(tmp_path, one, other, far)
    start_pair(lab, a, b)
    since, last = b.newest_event(), a.newest_event()

    def switch() -> None:
        first.cut()
        one.ip(f"route replace default via {second.end(router).ipv4}")

    assert outage_of(a, b, switch) < HEALED_SECONDS
    wait_told(b, "link-moved", since, node=a.address, after=f"udp://{second.end(one).ipv4}:{PORT}")
    assert not b.events(since, "link-down") + a.events(last, "link-down")
