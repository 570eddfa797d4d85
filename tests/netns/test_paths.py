"""Two paths to one neighbour: when one of them fails the other takes over, and routing hears nothing of it."""

from collections.abc import Callable
from typing import Final

import pytest

from tests.lab.cable_emulator import delays
from tests.lab.daemon import PORT, LabDaemon
from tests.lab.mesh import DaemonMesh
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import BACK_SECONDS, HEALED_SECONDS, outage_of, wait_next_hop, wait_told

pytestmark = pytest.mark.netns


DETOUR: Final = [("a", "c"), ("c", "b")]  # which routing would take if it heard
DETOUR_DELAYS_S: Final = (0.2, 0.2)  # a link that answers late on a busy machine is no reason to take it


def start(mesh: DaemonMesh, second: str) -> None:
    """Starts all, and has a dial b's second URL once both send by the first path: they may settle on one each of two."""
    a, b = mesh["a"], mesh["b"]
    a.peers.remove(second)
    mesh.start()
    mesh.wait_converged()
    wait_next_hop(mesh, "a", "b", "b")
    wait_next_hop(mesh, "b", "a", "a")
    a.cli("peers", "add", second)
    wait_until(lambda: len(urls(a, b)) == 2, BACK_SECONDS, "both URLs lead to b")


def urls(one: LabDaemon, other: LabDaemon) -> list[str]:
    """Returns the URLs of the peer list that lead to a neighbour."""
    return [peer["url"] for peer in one.get("admin/peers") if peer.get("publicKey") == other.public_key]


def address_in_use(one: LabDaemon, other: LabDaemon) -> str:
    """Returns the address at which a neighbour is reached now."""
    addresses = {p["endpoint"]["socketAddr"] for p in one.get("admin/peers") if p.get("publicKey") == other.public_key}
    [address] = addresses
    return str(address)


def assert_unnoticed(mesh: DaemonMesh, cut: Callable[[str], object]) -> None:
    """Cuts what the address in use is reached by: the link moves to the other path, and its route stays."""
    a, b = mesh["a"], mesh["b"]
    since = {}
    used = ""

    def cut_used() -> None:
        nonlocal used
        used = address_in_use(a, b)  # a busy machine may have made the other path the quicker one by now
        since.update({daemon.name: daemon.newest_event() for daemon in (a, b)})
        cut(used)

    assert outage_of(a, b, cut_used) < HEALED_SECONDS
    wait_told(a, "link-moved", since["a"], node=b.address, before=f"udp://{used}")
    for one, other in ((a, b), (b, a)):
        told = [event for event in one.events(since[one.name]) if event.get("node") == other.address]
        assert not [event for event in told if event["kind"] == "link-down"], told
        assert not [event for event in told if event["kind"] == "route" and event["before"] != event["after"]], told


def test_one_of_two_cables_fails(make_mesh: MakeMesh) -> None:
    mesh = make_mesh([("a", "b"), ("a", "b"), *DETOUR], traits=delays(0.001, 0.001, *DETOUR_DELAYS_S))
    start(mesh, mesh["a"].peers[1])
    far = mesh["b"].host

    def cut(used: str) -> None:
        ends = {cable: cable.end(far) for cable in mesh.lab.cables[:2]}
        [cable] = [cable for cable, end in ends.items() if used in (f"{end.ipv4}:{PORT}", f"[{end.ipv6}]:{PORT}")]
        cable.cut()

    assert_unnoticed(mesh, cut)


def test_one_of_two_families_fails(make_mesh: MakeMesh) -> None:
    mesh = make_mesh([("a", "b"), *DETOUR], traits=delays(0.001, *DETOUR_DELAYS_S))
    cable = mesh.cable("a", "b")
    second = f"udp://[{cable.end(mesh['b'].host).ipv6}]:{PORT}"
    mesh["a"].peers.append(second)
    start(mesh, second)

    def cut(used: str) -> None:
        for end in cable.ends:
            end.set_filter(f"meta protocol {'ip6' if used.startswith('[') else 'ip'} drop")

    assert_unnoticed(mesh, cut)
