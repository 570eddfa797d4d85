"""What the network sees of packets inside, and what they see of it: DSCP on every link, and marks of routers (ECN).

The daemon in the middle keeps the DSCP to itself. The kernel marks what arrives at it, as a router with active queue management
does that is congested all the time.
"""

import socket
import time
from functools import partial

import pytest

from tests.lab.capture import Capture
from tests.lab.daemon import PORT, LabDaemon
from tests.lab.mesh import DaemonMesh, line
from tests.lab.ping import ping
from tests.lab.traffic import exchange_tcp
from tests.lab.waiting import wait_until
from tests.netns.conftest import GIVEN_LINKS, MakeMesh

pytestmark = pytest.mark.netns

EF = 46 << 2
ECT_0, CE = 2, 3
SECONDS = 20.0
MARK_ALL = "ip ecn ect0 ip ecn set ce"


@pytest.fixture(scope="module")
def mesh(make_module_mesh: MakeMesh) -> DaemonMesh:
    made = make_module_mesh(line("a", "b", "c"), options=GIVEN_LINKS)
    b = made["b"]
    b.options = [*b.options, "--no-dscp"]
    b.peers = [f"udp://{made.cable('b', 'c').far_end(b.host).ipv4}:{PORT}"]  # as captures and filters are of IPv4
    made.start()
    made.wait_converged()
    return made


def send_of_class(one: LabDaemon, other: LabDaemon, traffic_class: int) -> None:
    with one.host.entered(), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp:
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, traffic_class)
        udp.sendto(bytes(100), (other.address, 9))


def kernel_count(daemon: LabDaemon, name: str) -> int:
    rows = dict(line.split() for line in daemon.host.run("cat", "/proc/net/snmp6").stdout.splitlines())
    return int(rows[name])


def test_the_network_sees_the_dscp_unless_a_daemon_keeps_it_to_itself(mesh: DaemonMesh) -> None:
    a, b, c = (mesh[name] for name in "abc")
    with (
        Capture(b.host, mesh.cable("a", "b").end(b.host).interface, PORT) as near,
        Capture(c.host, mesh.cable("b", "c").end(c.host).interface, PORT) as far,
    ):
        ping(a.host, c.address, count=3, interval=0.1)

        def are_seen() -> bool:
            send_of_class(a, c, EF | ECT_0)
            time.sleep(0.05)
            return EF | ECT_0 in near.classes and ECT_0 in far.classes

        wait_until(are_seen, SECONDS, "the class is seen on both links")
    assert set(near.classes) == {0, EF | ECT_0}
    assert set(far.classes) == {0, ECT_0}


def test_marks_of_routers_reach_tcp_over_a_relay_and_slow_it_down_without_loss(mesh: DaemonMesh) -> None:
    a, b, c = (mesh[name] for name in "abc")
    for daemon in (a, c):
        daemon.host.sysctl("net.ipv4.tcp_ecn", 1)
    exchange_tcp(a.host, c.host, c.address, 300_000, seconds=30)
    assert kernel_count(c, "Ip6InCEPkts") == 0
    mesh.cable("a", "b").end(b.host).set_filter(MARK_ALL)
    exchange_tcp(a.host, c.host, c.address, 300_000, seconds=30)
    wait_until(partial(is_marked, c), SECONDS, "marks reach the far end")
    assert kernel_count(a, "Ip6InCEPkts") == 0, "the other way nothing is marked"
    mesh.cable("a", "b").mend()
    assert c.counters()["packets_congested"] == 0


def is_marked(daemon: LabDaemon) -> bool:
    return kernel_count(daemon, "Ip6InCEPkts") > 0
