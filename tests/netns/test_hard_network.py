"""The basics over links that are slow, late, lossy and narrow: 20 Mbit/s, 40 ms, 1 % loss, an MTU of 1,280."""

import pytest

from tests.lab.cable_emulator import CableTraits
from tests.lab.mesh import DaemonMesh, ring
from tests.lab.ping import Pings, ping
from tests.lab.traffic import answering, echo_udp, exchange_tcp
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import HEALED_SECONDS

pytestmark = pytest.mark.netns

TRAITS = CableTraits(delay_s=0.020, jitter_s=0.002, megabits=20, queue_s=0.050)
LOSS_PERCENT = 1
MTU = 1_280


@pytest.fixture(scope="module")
def mesh(make_module_mesh: MakeMesh) -> DaemonMesh:
    made = make_module_mesh(ring("a", "b", "c", "d"), traits=[TRAITS] * 4)
    for cable in made.cables.values():
        cable.set_mtu(MTU)
        cable.lose(LOSS_PERCENT)
    made.start()
    made.wait_converged(30)
    made.wait_linked()
    return made


def test_all_reach_all(mesh: DaemonMesh) -> None:
    addresses = [daemon.address for daemon in mesh.daemons.values()]
    for daemon in mesh.daemons.values():
        assert answering(daemon.host, addresses, seconds=15) == set(addresses)


@pytest.mark.parametrize(("size", "least"), [(64, 32), (1_352, 26), (16_000, 8)])
def test_pings_are_as_late_and_as_often_lost_as_the_links_are(mesh: DaemonMesh, size: int, least: int) -> None:
    """Each crosses four links in 1, 2 or 13 datagrams; on average 38, 37 or 24 come back, and fewer than `least` never."""
    result = ping(mesh["a"].host, mesh["c"].address, count=40, interval=0.1, size=size)
    assert result.received >= least
    assert result.average_ms >= 0.9 * 1_000 * 4 * TRAITS.delay_s


def test_tcp_both_ways_at_once_arrives_unchanged(mesh: DaemonMesh) -> None:
    exchange_tcp(mesh["a"].host, mesh["c"].host, mesh["c"].address, 1_000_000, seconds=60)


def test_udp_arrives_unchanged(mesh: DaemonMesh) -> None:
    for size in (64, 1_200):
        assert echo_udp(mesh["a"].host, mesh["c"].host, mesh["c"].address, size=size, times=20, seconds=2) >= 10


def test_links_stay_up_under_load(mesh: DaemonMesh) -> None:
    """Loss and full queues are no reason to give a link up."""
    downs = sum(daemon.log().count("link down") for daemon in mesh.daemons.values())
    exchange_tcp(mesh["a"].host, mesh["b"].host, mesh["b"].address, 3_000_000, seconds=60)
    assert sum(daemon.log().count("link down") for daemon in mesh.daemons.values()) == downs


def test_a_silent_cut_heals(mesh: DaemonMesh) -> None:
    one, other = mesh["a"], mesh["b"]
    with Pings(one.host, other.address, interval=0.05) as pings:
        ping(one.host, other.address, count=10, interval=0.1)
        mesh.cable("a", "b").cut()
        wait_until(lambda: ping(one.host, other.address, count=5, interval=0.1, wait=1).received >= 4, 20, "it heals")
        assert pings.finish().outage_s < HEALED_SECONDS
