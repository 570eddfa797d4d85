"""What the kernel tells of interfaces, addresses and routes makes a daemon ask on all its paths at once."""

from typing import Final

import pytest

from tests.lab.daemon import PORT, LabDaemon
from tests.lab.mesh import DaemonMesh, line
from tests.lab.ping import ping
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import wait_answered, wait_told

pytestmark = pytest.mark.netns

ASKED_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 1.1
CHANGES: Final = [
    "address add 10.99.0.1/32 dev lo",
    "route add 2001:db8::/32 via {gateway}",
]


@pytest.fixture
def pair(make_mesh: MakeMesh) -> DaemonMesh:
    return make_mesh(line("a", "b"))


def start(mesh: DaemonMesh) -> None:
    mesh.start()
    mesh.wait_converged()


def mtu_probes(daemon: LabDaemon) -> int:
    return daemon.counters()["mtu_probes_sent"]


def wait_idle(daemon: LabDaemon) -> int:
    """Waits until a second goes by without a probe of a path's MTU, and returns how many there were in all."""
    last = -1

    def is_idle() -> bool:
        nonlocal last
        before, last = last, mtu_probes(daemon)
        return last == before

    wait_until(is_idle, 30, "the link is idle", every_s=IDLE_SECONDS)
    return last


def test_every_path_is_asked_at_once(pair: DaemonMesh) -> None:
    """An idle link probes its MTU each ten minutes."""
    start(pair)
    a, gateway = pair["a"], pair.cable("a", "b").end(pair["b"].host)
    for change in CHANGES:
        before = wait_idle(a)
        a.host.ip(change.format(gateway=gateway.ipv6))
        wait_until(lambda before=before: mtu_probes(a) > before, ASKED_SECONDS, f"b is asked after {change}")  # type: ignore[misc]
    assert not a.events(kind="link-down")


def test_a_missing_peer_is_looked_up_at_once(pair: DaemonMesh) -> None:
    """Else it would be after the back-off, more than seven seconds at first."""
    a, address = pair["a"], pair.cable("a", "b").end(pair["b"].host).ipv4
    a.host.name_hosts({"other.test": "10.0.1.99"})
    a.peers[0] = f"udp://b.test:{PORT}"
    pair.start()
    first = wait_told(a, "peer-failed", 0)  # the machine may have a name server that knows no such name
    assert first["cause"].startswith("the name ")
    a.host.name_hosts({"b.test": address})
    a.host.ip("address add 10.99.0.1/32 dev lo")
    up = wait_told(a, "link-up", first["sequence"], node=pair["b"].address)
    assert up["time"] - first["time"] < 7


@pytest.mark.parametrize("what", ["interface", "address"])
def test_what_comes_back_is_used_again(pair: DaemonMesh, what: str) -> None:
    start(pair)
    a, b = pair["a"], pair["b"]
    end = pair.cable("a", "b").end(a.host)
    down, up = {
        "interface": (f"link set {end.interface} down", f"link set {end.interface} up"),
        "address": (
            f"address del {end.ipv4}/24 dev {end.interface}",
            f"address add {end.ipv4}/24 dev {end.interface}",
        ),
    }[what]
    since, last = a.newest_event(), b.newest_event()
    a.host.ip(down)
    assert wait_told(a, "link-down", since, node=b.address)["cause"]
    wait_told(b, "link-down", last, node=a.address)
    assert not ping(a.host, b.address, wait=1).received
    a.host.ip(up)
    wait_answered(a, b, "b is reached again")
    wait_told(a, "link-up", since, node=b.address)
