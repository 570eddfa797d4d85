"""Two ways to one neighbour: when one of them fails the other takes over, and routing hears nothing of it."""

from collections.abc import Callable
from typing import Final

import pytest

from tests.lab.cable_emulator import delays
from tests.lab.daemon import PORT, Daemon
from tests.lab.mesh import DaemonMesh
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import HEALED_SECONDS, outage_of, wait_told, wait_way

pytestmark = pytest.mark.netns


DETOUR: Final = [("a", "c"), ("c", "b")]  # which routing would take if it heard
DETOUR_DELAYS_S: Final = (0.02, 0.02)


def start(mesh: DaemonMesh, second: str) -> None:
    """Starts all, and has a dial b's second URL once both send by the first way: two at once may part them."""
    a, b = mesh["a"], mesh["b"]
    a.peers.remove(second)
    mesh.start()
    mesh.wait_converged()
    wait_way(mesh, "a", "b", "b")
    wait_way(mesh, "b", "a", "a")
    a.cli("peers", "add", second)
    wait_until(lambda: len(ways(a, b)) == 2, 10, "both ways lead to b")


def ways(one: Daemon, other: Daemon) -> list[str]:
    """Returns the URLs of the peer list that lead to a neighbour."""
    return [peer["url"] for peer in one.get("admin/peers") if peer.get("publicKey") == other.public_key]


def way_in_use(one: Daemon, other: Daemon) -> str:
    """Returns the address at which a neighbour is reached now."""
    addresses = {p["endpoint"]["addr"] for p in one.get("admin/peers") if p.get("publicKey") == other.public_key}
    [address] = addresses
    return str(address)


def assert_unnoticed(mesh: DaemonMesh, cut: Callable[[], object]) -> None:
    a, b = mesh["a"], mesh["b"]
    since = {daemon.name: daemon.newest_event() for daemon in (a, b)}
    before = way_in_use(a, b)
    assert outage_of(a, b, cut) < HEALED_SECONDS
    wait_told(a, "link-moved", since["a"], node=b.address, before=f"udp://{before}")
    wait_told(b, "link-moved", since["b"], node=a.address)
    for one, other in ((a, b), (b, a)):
        told = [event for event in one.events(since[one.name]) if event["node"] == other.address]
        assert {event["kind"] for event in told} == {"link-moved"}, told


def test_one_of_two_cables_fails(make_mesh: MakeMesh) -> None:
    mesh = make_mesh([("a", "b"), ("a", "b"), *DETOUR], traits=delays(0.001, 0.001, *DETOUR_DELAYS_S))
    start(mesh, mesh["a"].peers[1])
    used, far = way_in_use(mesh["a"], mesh["b"]), mesh["b"].host
    [cable] = [
        cable
        for cable in mesh.lab.cables[:2]
        if used in (f"{cable.end(far).ipv4}:{PORT}", f"[{cable.end(far).ipv6}]:{PORT}")
    ]
    assert_unnoticed(mesh, cable.cut)


def test_one_of_two_families_fails(make_mesh: MakeMesh) -> None:
    mesh = make_mesh([("a", "b"), *DETOUR], traits=delays(0.001, *DETOUR_DELAYS_S))
    cable = mesh.cable("a", "b")
    second = f"udp://[{cable.end(mesh['b'].host).ipv6}]:{PORT}"
    mesh["a"].peers.append(second)
    start(mesh, second)
    family = "ip6" if way_in_use(mesh["a"], mesh["b"]).startswith("[") else "ip"

    def cut() -> None:
        for end in cable.ends:
            end.set_filter(f"meta protocol {family} drop")

    assert_unnoticed(mesh, cut)
