"""Daemons that are not run for a while: a blink kills no link, and who has slept is soon back."""

import random
import time
from typing import Final

import pytest

from tests.lab.mesh import line, ring
from tests.lab.pauses import Pauses
from tests.lab.traffic import iperf
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import BACK_SECONDS, is_answered, links_lost, wait_answered, wait_told

pytestmark = pytest.mark.netns

PAUSES_APART_S: Final = (0.2, 0.8)
SLEPT_SECONDS: Final = 6.0
STREAMS: Final = 4
LOADED_SECONDS: Final = 5.0


def test_blinks_under_four_streams_take_no_link_down(make_mesh: MakeMesh) -> None:
    mesh = make_mesh(line("a", "b", "c"))
    mesh.start()
    mesh.wait_converged()
    with Pauses(list(mesh.daemons.values()), apart_s=PAUSES_APART_S, rng=random.Random(7)) as pauses:
        report = iperf(mesh["a"].host, mesh["c"].host, mesh["c"].address, "-P", str(STREAMS), seconds=LOADED_SECONDS)
    assert len(pauses.stopped_s) >= 4
    received = [stream["receiver"]["bytes"] for stream in report["end"]["streams"]]
    assert len(received) == STREAMS
    assert all(received)
    assert links_lost(mesh) == []
    wait_answered(mesh["a"], mesh["c"])


def test_a_node_that_has_slept_is_soon_back(make_mesh: MakeMesh) -> None:
    mesh = make_mesh(ring("a", "b", "c", "d"))
    mesh.start()
    mesh.wait_converged()
    mesh.wait_linked()
    a, b, c, d = mesh.daemons.values()

    def are_linked() -> bool:
        return all(len(daemon.alive_peers()) == 2 for daemon in mesh.daemons.values())

    wait_until(are_linked, BACK_SECONDS, "links are up")
    since = a.newest_event()
    with b.frozen():
        asleep_at = time.monotonic()
        down = wait_told(a, "link-down", since, node=b.address, cause="silent")
        wait_answered(a, c, "the others find the way around it")
        wait_until(lambda: b.subnet not in d.reachable_subnets(), BACK_SECONDS, "the others know that it is gone")
        time.sleep(max(0.0, asleep_at + SLEPT_SECONDS - time.monotonic()))
    wait_until(lambda: is_answered(d, b) and is_answered(b, d), BACK_SECONDS, "it is reached again")
    wait_told(a, "link-up", down["sequence"], node=b.address)
    for neighbour in (a, c):
        wait_answered(neighbour, b)
    wait_until(are_linked, BACK_SECONDS, "links are up again")
