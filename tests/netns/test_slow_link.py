"""Over a slow link TCP hands over short super-packets, also where it was connected before, and long ones once it is quick."""

import json
from contextlib import ExitStack

import pytest

from mycelium.limits import GSO_BYTES
from tests.lab.daemon import LabDaemon
from tests.lab.mesh import line
from tests.lab.traffic import Stream
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh

pytestmark = pytest.mark.netns

MEGABITS = 100.0
# bytes: more than packets have that the kernel cuts; what is between averages on either link
CUT, SHORT, LONG = 4_000, 10_000, 20_000
SECONDS = 60.0


def tun(daemon: LabDaemon) -> dict[str, int]:
    """Returns the limit of super-packets of a daemon's device, and how many packets and bytes the kernel has handed over."""
    [shown] = json.loads(daemon.host.run("ip", "-j", "-d", "-s", "link", "show", "tun0").stdout)
    return {"limit": shown["gso_max_size"], **shown["stats64"]["tx"]}


def average_bytes(daemon: LabDaemon, packets: int) -> float:
    """Returns the average length of the next packets that the kernel hands over."""
    before = tun(daemon)
    wait_until(lambda: tun(daemon)["packets"] > before["packets"] + packets, SECONDS, f"{packets} packets are sent")
    after = tun(daemon)
    return (after["bytes"] - before["bytes"]) / (after["packets"] - before["packets"])


def test_super_packets_are_as_long_as_the_link_in_use_is_quick(make_mesh: MakeMesh) -> None:
    mesh = make_mesh(line("a", "b"))
    mesh.start()
    mesh.wait_converged()
    a, b = mesh["a"], mesh["b"]
    with ExitStack() as stack:
        streams = [stack.enter_context(Stream(a.host, b.host, b.address)) for _ in range(4)]
        streams[0].wait_flowing()
        assert tun(a)["limit"] == GSO_BYTES
        assert average_bytes(a, 1_000) > LONG
        mesh.cable("a", "b").limit(MEGABITS, queue_s=0.05)
        wait_until(lambda: tun(a)["limit"] < SHORT, SECONDS, "the kernel is asked for short super-packets")
        wait_until(lambda: CUT < average_bytes(a, 300) < SHORT, SECONDS, "open connections send short ones")
        mesh.cable("a", "b").limit(0, queue_s=0.05)
        wait_until(lambda: tun(a)["limit"] == GSO_BYTES, SECONDS, "the kernel is asked for long ones again")
        wait_until(lambda: average_bytes(a, 1_000) > LONG, SECONDS, "open connections send long ones")
        assert tun(b)["limit"] == GSO_BYTES, "b has sent nothing but acknowledgements"
