"""Meshes over QUIC: a firewall lets one UDP port through, cables are cut, a peer is restarted, clients are hostile."""

import contextlib
import os
import socket
import time

import pytest
from qh3.quic.connection import QuicConnection

from tests.lab.daemon import PORT, LabDaemon
from tests.lab.mesh import DaemonMesh, line
from tests.lab.ping import Pings
from tests.lab.quic_client import QuicClient
from tests.lab.traffic import exchange_tcp
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import outage_of, wait_answered
from tests.netns.test_tcp import schemes

pytestmark = pytest.mark.netns

HALF_OPEN = 100
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
        wait_answered(a, c, count=5, size=size)
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


def junk(connection: QuicConnection) -> None:
    for _ in range(200):
        connection.send_datagram_frame(os.urandom(600))


def streams_without_end(connection: QuicConnection) -> None:
    for _ in range(20):
        connection.send_stream_data(connection.get_next_available_stream_id(is_unidirectional=True), bytes(4_000))


def test_hostile_clients_cost_neighbours_nothing(make_mesh: MakeMesh) -> None:
    """They come from the neighbour's own address; what is not closed at once is when the node has not used it for a while."""
    mesh = make_mesh(line("a", "b"))
    a, b = mesh["a"], mesh["b"]
    dial_by_quic(a)
    mesh.start()
    mesh.wait_converged()
    there = mesh.cable("a", "b").end(b.host)
    before, memory, downs = b.counters(), b.rss_bytes(), b.log().count("link down")

    def counted(*names: str) -> int:
        now = b.counters()
        return sum(now[f"quic_{name}"] - before[f"quic_{name}"] for name in names)

    with contextlib.ExitStack() as opened, Pings(a.host, b.address, interval=0.05) as pings:

        def client() -> QuicClient:
            with a.host.entered():
                made = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            return QuicClient(made, (there.ipv4, PORT))

        for say in (junk, streams_without_end):
            speaking = client()
            speaking.begin()
            assert speaking.converse(say, 1.0)
        for _ in range(HALF_OPEN):
            client().begin()
        wait_until(lambda: counted("accepted", "refused", "retried") >= HALF_OPEN + 2, 30, "all were dealt with")
        wait_until(
            lambda: counted("malformed", "ended", "unused", "dial_failed", "silent") >= counted("accepted"),
            60,
            lambda: (
                f"all were closed: {[(name, counted(name)) for name in ('accepted', 'malformed', 'ended', 'unused', 'silent')]}"
            ),
            every_s=0.5,
        )
        result = pings.finish()
    assert counted("retried") > 0
    assert result.received >= 0.9 * result.sent
    assert b.log().count("link down") == downs
    assert b.rss_bytes() - memory < 30 << 20
