"""The TUN device changed or taken away under a running daemon: it heals, or says why not, and nobody meets silence."""

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Final

import pytest

from tests.lab.daemon import TUN, LabDaemon
from tests.lab.laboratory import Lab
from tests.lab.mesh import DaemonMesh, line
from tests.lab.ping import Pings, answers
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import wait_answered

pytestmark = pytest.mark.netns

HEALED_SECONDS: Final = 5.0  # it takes 50 ms; the lost ping waits for a second, and so may a busy machine
SAID_SECONDS: Final = 20.0


def heals(mesh: DaemonMesh, what: str, *lines: str) -> None:
    """Breaks something on b, and waits until both ends reach each other."""
    a, b = mesh["a"], mesh["b"]
    b.host.ip(*lines)
    wait_until(lambda: answers(a.host, b.address) and answers(b.host, a.address), HEALED_SECONDS, f"{what} healed")


def wait_unreachable(mesh: DaemonMesh) -> None:
    a, b = mesh["a"], mesh["b"]
    wait_until(lambda: b.subnet not in a.reachable_subnets(), SAID_SECONDS, "b is withdrawn")

    def is_told() -> bool:
        said = a.host.run("ping", "-c", "1", "-W", "2", b.address, check=False).stdout
        return f"From {a.address} icmp_seq=1 Destination unreachable: No route" in said

    wait_until(is_told, SAID_SECONDS, "the application is told")


def has_sent(daemon: LabDaemon, packets: int) -> bool:
    return daemon.counters()["tun_packets_read"] >= packets


@contextlib.contextmanager
def pinging(*pairs: tuple[LabDaemon, LabDaemon]) -> Iterator[None]:
    """Has nodes ping others, all of them by the time that the body begins; first those whose answers would count as pings."""
    with contextlib.ExitStack() as pings:
        for one, other in pairs:
            before = one.counters()["tun_packets_read"]
            pings.enter_context(Pings(one.host, other.address))
            wait_until(partial(has_sent, one, before + 3), SAID_SECONDS, f"pings are sent from {one.name}")
        yield


def status(daemon: LabDaemon) -> dict[str, object]:
    return dict(daemon.get("admin/status"))


def test_what_happens_to_the_device_heals_within_a_moment(lab: Lab, make_mesh: MakeMesh) -> None:
    mesh = make_mesh(line("a", "b"))
    elsewhere = lab.add_hosts(["elsewhere"])[0]
    mesh.start()
    mesh.wait_converged()
    b = mesh["b"]
    heals(mesh, "a device that is down", f"link set {TUN} down")
    heals(mesh, "a lost address", f"address del {b.address}/7 dev {TUN}")
    heals(mesh, "a replaced route", "route replace 400::/7 dev lo metric 256")
    heals(mesh, "an MTU that is too small for IPv6", f"link set {TUN} mtu 1000")
    heals(mesh, "a device moved elsewhere", f"link set {TUN} netns {elsewhere.namespace}")
    with pinging((b, mesh["a"]), (mesh["a"], b)):
        heals(mesh, "a removed device", f"link del {TUN}")
    heals(mesh, "another name", f"link set {TUN} down", f"link set {TUN} name other", "link set other up")
    wait_until(lambda: status(b)["tun"] == "other", SAID_SECONDS, "the new name is taken over")
    assert "Traceback" not in b.log()
    assert b.log().count("\n") < 40


def test_what_cannot_be_repaired_is_said_once_and_withdrawn_until_it_can(make_mesh: MakeMesh) -> None:
    mesh = make_mesh(line("a", "b", "c"))
    mesh.start()
    mesh.wait_converged()
    a, b, c = (mesh[name] for name in "abc")
    wait_answered(a, b)
    with pinging((b, c), (a, b)):
        with b.frozen():  # or it would be the first to take the name
            b.host.ip(f"link del {TUN}", f"link add {TUN} type veth peer name {TUN}x")
        wait_unreachable(mesh)
        wait_until(lambda: answers(a.host, c.address, count=3), SAID_SECONDS, "b relays on")
        cause = f"the interface {TUN} already exists: is another mycelium running? Choose another name with --tun-name"
        assert status(b)["tunFault"] == cause
        assert b.log().count(cause) == 1
        heals(mesh, "a name that is free again", f"link del {TUN}")
    assert status(b)["tunFault"] is None
    b.host.sysctl(f"net.ipv6.conf.{TUN}.disable_ipv6", 1)
    wait_unreachable(mesh)
    assert f"sysctl net.ipv6.conf.{TUN}.disable_ipv6 must be 0" in str(status(b)["tunFault"])
    b.host.sysctl(f"net.ipv6.conf.{TUN}.disable_ipv6", 0)
    heals(mesh, "IPv6 that is on again")
    wait_answered(c, b)
    assert "Traceback" not in b.log()
