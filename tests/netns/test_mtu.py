"""Jumbo frames, and paths as narrow as IPv4 allows: under traffic, from the start, and at this host's own interface."""

from functools import partial

import pytest

from tests.lab.cable import Cable
from tests.lab.daemon import LabDaemon
from tests.lab.mesh import DaemonMesh, line
from tests.lab.offload import switch_segmentation
from tests.lab.ping import ping
from tests.lab.traffic import Stream, exchange_tcp
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh

pytestmark = pytest.mark.netns

JUMBO, NARROW = 9_000, 576
SECONDS = 90.0  # steps from 9,000 to 576 bytes wait for several silences, of either end


@pytest.fixture
def mesh(make_mesh: MakeMesh) -> DaemonMesh:
    mesh = make_mesh(line("a", "b"))
    for end in mesh.cable("a", "b").ends:
        with end.host.entered():
            switch_segmentation(end.interface, on=False)
    return mesh


def narrow(cable: Cable) -> None:
    """Loses long packets on the way, without a word."""
    for end in cable.ends:
        end.set_filter(f"ip length > {NARROW} drop")


def has_mtu(daemon: LabDaemon, least: int, most: int) -> bool:
    return all(least <= (peer["mtu"] or 0) <= most for peer in daemon.get("admin/peers"))


def test_a_link_uses_jumbo_frames_and_lives_through_an_mtu_of_576(mesh: DaemonMesh) -> None:
    a, b = mesh["a"], mesh["b"]
    cable = mesh.cable("a", "b")
    cable.set_mtu(JUMBO)
    mesh.start()
    mesh.wait_converged()
    wait_until(partial(has_mtu, a, 8_900, JUMBO), SECONDS, "long datagrams are used")
    exchange_tcp(a.host, b.host, b.address, 10_000_000, seconds=30)
    with Stream(a.host, b.host, b.address) as stream:
        stream.wait_flowing()
        narrow(cable)
        wait_until(partial(has_mtu, a, 500, NARROW), SECONDS, "the path is found narrow")
        wait_until(lambda: ping(a.host, b.address, count=3, size=1_300).received == 3, SECONDS, "packets pass")
    for daemon in (a, b):
        daemon.stop()
    mesh.start()
    mesh.wait_converged()
    exchange_tcp(a.host, b.host, b.address, 300_000, seconds=30)
    for daemon in (a, b):
        daemon.stop()
    cable.mend()
    cable.set_mtu(NARROW)
    mesh.start()
    mesh.wait_converged()
    exchange_tcp(a.host, b.host, b.address, 300_000, seconds=30)
