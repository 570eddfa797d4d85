"""One neighbour over UDP and TCP, with a firewall that drops UDP: at the start, then no longer, then while traffic flows."""

import contextlib
import time
from typing import Final

import pytest

from tests.lab.daemon import LabDaemon
from tests.lab.mesh import DaemonMesh, line
from tests.lab.ping import Pings, answers
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import HEALED_SECONDS, Losses, outage_of
from tests.netns.test_tcp import block_udp, schemes

pytestmark = pytest.mark.netns

JOINED_SECONDS: Final = 10.0  # from the start of the process to the first answer to a ping, on a machine that is busy
BACK_SECONDS: Final = 30.0
MIXED: Final = ("udp://", "tcp://")


@pytest.mark.parametrize("written", [("",), MIXED], ids=["without a scheme", "udp and tcp"])
def test_tcp_serves_where_and_while_udp_is_dropped(make_mesh: MakeMesh, written: tuple[str, ...]) -> None:
    mesh = make_mesh(line("a", "b"))
    a, b = mesh["a"], mesh["b"]
    [by_udp] = a.peers
    a.peers = [by_udp.replace("udp://", scheme) for scheme in written]
    block_udp(mesh.cable("a", "b"))
    b.start()
    b.wait_ready()
    assert seconds_to_first_answer(a, b) < JOINED_SECONDS
    assert schemes(a, b) == schemes(b, a) == {"tcp"}
    assert all(peer["connectionState"] == "alive" for peer in a.get("admin/peers")[:1] if written == ("",))
    losses = Losses(a, b)
    with Pings(a.host, b.address) as pings:
        let_udp_through(mesh)
        wait_until(lambda: schemes(a, b) == schemes(b, a) == {"udp"}, BACK_SECONDS, "both send by UDP", every_s=0.2)
        wait_until(lambda: answers(a.host, b.address, count=20), 20, "pings are answered")
        result = pings.finish()
    losses.assert_none(result)
    assert outage_of(a, b, lambda: block_udp(mesh.cable("a", "b"))) < HEALED_SECONDS
    wait_until(lambda: schemes(a, b) == {"tcp"}, BACK_SECONDS, "a sends by TCP")
    assert "link down" not in a.log()


def let_udp_through(mesh: DaemonMesh) -> None:
    for end in mesh.cable("a", "b").ends:
        end.set_filter("")


def seconds_to_first_answer(one: LabDaemon, other: LabDaemon) -> float:
    """Starts a daemon; returns the seconds until it has a way to another."""
    begin = time.monotonic()
    one.start()

    def is_linked() -> bool:
        with contextlib.suppress(OSError):  # its API does not answer yet
            return other.subnet in one.reachable_subnets()
        return False

    wait_until(is_linked, 20, f"{one.name} has a route")
    wait_until(lambda: answers(one.host, other.address), 20, f"{other.name} answers")
    return time.monotonic() - begin
