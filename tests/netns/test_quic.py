"""Meshes over QUIC: where a firewall lets one UDP port through, where cables are cut, and where a peer is restarted."""

import time

import pytest

from tests.lab.daemon import PORT, LabDaemon
from tests.lab.mesh import DaemonMesh, line
from tests.lab.ping import ping
from tests.lab.traffic import exchange_tcp
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import outage_of, wait_answered
from tests.netns.test_tcp import schemes

pytestmark = pytest.mark.netns

HEALED_SECONDS = 6.0  # after a long outage: a first packet is repeated after up to 2.4 s


def dial_by_quic(daemon: LabDaemon) -> None:
    daemon.peers = [url.replace("udp://", "quic://") for url in daemon.peers]


@pytest.fixture(scope="module")
def mesh(make_module_mesh: MakeMesh) -> DaemonMesh:
    """Three in a line; a firewall on each cable lets nothing through but one UDP port."""
    made = make_module_mesh(line("a", "b", "c"))
    for cable in made.cables.values():
        for end in cable.ends:
            end.set_filter(f"meta l4proto {{ tcp, udp }} th dport != {PORT} drop\nmeta l4proto tcp drop")
    for daemon in made.daemons.values():
        dial_by_quic(daemon)
    made.start()
    made.wait_converged()
    return made


def test_pings_and_transfers_cross_a_firewall_that_lets_one_udp_port_through(mesh: DaemonMesh) -> None:
    a, b, c = (mesh[name] for name in "abc")
    assert schemes(a, b) == schemes(b, a) == schemes(b, c) == {"quic"}
    for size in (8, 1_352, 65_000):
        assert ping(a.host, c.address, count=5, size=size).received == 5
    exchange_tcp(a.host, c.host, c.address, 30_000_000, seconds=60)


def test_links_heal_when_a_cable_was_cut_and_when_a_peer_was_restarted(mesh: DaemonMesh) -> None:
    a, b, c = (mesh[name] for name in "abc")
    cable = mesh.cable("a", "b")
    cable.cut()
    wait_until(lambda: mesh.next_hop("a", "c") is None, 30, "a has lost its only link")
    cable.mend()
    begin = time.monotonic()
    wait_answered(a, c)
    assert time.monotonic() - begin < HEALED_SECONDS

    def restart() -> None:
        b.kill()
        b.start()

    assert outage_of(a, c, restart) < 2 * HEALED_SECONDS
    assert schemes(a, b) == schemes(b, a) == {"quic"}
