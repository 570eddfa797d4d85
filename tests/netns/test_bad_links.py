"""Links that get worse, come and go, or take half the mesh with them."""

import time
from functools import partial
from typing import Final

import pytest

from tests.lab.cable_emulator import delays
from tests.lab.daemon import LabDaemon
from tests.lab.mesh import DaemonMesh, ring
from tests.lab.ping import Pings, ping
from tests.lab.traffic import answering
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import BACK_SECONDS, HEALED_SECONDS, wait_answered, wait_next_hop, wait_told

pytestmark = pytest.mark.netns

LOSS_PERCENT: Final = 30.0
# of a direct way, and of the two links of a detour: a full machine delays answers by less than they differ, lossy or not
DELAYS_S: Final = (0.100, 0.065, 0.065)
FLAPS: Final = 8  # by then it is left alone
UP_SECONDS: Final = 1.0  # for which a link that is up may have its route back


def test_a_link_that_begins_to_lose_is_left(make_mesh: MakeMesh) -> None:
    mesh = make_mesh(ring("a", "b", "c"), traits=delays(*DELAYS_S))
    mesh.start()
    mesh.wait_converged()
    mesh.wait_linked()
    wait_next_hop(mesh, "a", "b", "b")
    a, b, c = mesh.daemons.values()
    since = a.newest_event()
    with Pings(a.host, b.address) as pings:
        mesh.cable("a", "b").lose(LOSS_PERCENT)
        wait_next_hop(mesh, "a", "b", "c")
        wait_next_hop(mesh, "b", "a", "c")
        wait_answered(a, b)
        assert pings.finish().outage_s < HEALED_SECONDS
    assert wait_told(a, "route", since, node=b.address, before=b.address, after=c.address)["cause"]


def test_a_flapping_link_is_left_alone(make_mesh: MakeMesh) -> None:
    mesh = make_mesh(ring("a", "b", "c"), traits=delays(0.002, 0.004, 0.004))
    mesh.start()
    mesh.wait_converged()
    mesh.wait_linked()
    wait_next_hop(mesh, "a", "b", "b")
    with Pings(mesh["a"].host, mesh["b"].address) as pings:
        assert any(is_ignored(mesh) for _ in range(FLAPS)), "the route has followed the link each time"
        wait_answered(mesh["a"], mesh["b"])
        assert pings.finish().outage_s < HEALED_SECONDS


def is_ignored(mesh: DaemonMesh) -> bool:
    """Cuts the link until it is down, and mends it; tells whether the route to its other end stayed away from it.

    It does so only once the link has been passed over for dying, since a route may also come late for want of a turn. The route
    may lead over it while nothing else does: where the third node has no turn for a while.
    """
    a, b, cable = mesh["a"], mesh["b"], mesh.cable("a", "b")
    since = a.newest_event()
    cable.cut()
    wait_told(a, "link-down", since, node=b.address)
    cable.mend()
    wait_told(a, "link-up", since, node=b.address)
    time.sleep(UP_SECONDS)
    changes = [event for event in a.events(since, "route") if event["node"] == event["after"] == b.address]
    return a.counters()["routing_damped"] > 0 and not any(change["cause"] == "better" for change in changes)


def reaches_only(daemon: LabDaemon, subnets: set[str]) -> bool:
    return daemon.reachable_subnets() == subnets


def assert_meshed(mesh: DaemonMesh, names: str) -> None:
    """Pings from each to each."""
    addresses = {mesh[name].address for name in names}
    for name in names:
        assert answering(mesh[name].host, sorted(addresses), seconds=BACK_SECONDS) == addresses


def test_a_mesh_of_six_parts_and_is_one_again(make_mesh: MakeMesh) -> None:
    halves = ["abc", "def"]
    mesh = make_mesh([*ring(*"abc"), *ring(*"def"), ("a", "d"), ("c", "f")])
    mesh.start()
    mesh.wait_converged()
    mesh.wait_linked()
    bridges = [mesh.cable("a", "d"), mesh.cable("c", "f")]
    for bridge in bridges:
        bridge.cut()
    for half in halves:
        for one in half:
            others = {mesh[name].subnet for name in half if name != one}
            wait_until(partial(reaches_only, mesh[one], others), BACK_SECONDS, f"{one} knows that {half} is alone")
        assert_meshed(mesh, half)
    assert not ping(mesh["b"].host, mesh["e"].address, wait=1).received
    for bridge in bridges:
        bridge.mend()
    mesh.wait_converged(BACK_SECONDS)
    assert_meshed(mesh, "abcdef")
