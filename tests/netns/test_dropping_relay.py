"""A relay that drops what it should forward, among real daemons: packets take another way, and the operator is told."""

import os
import signal
import sys
import time

import pytest

from tests.lab.cable_emulator import CableTraits
from tests.lab.daemon import LabDaemon
from tests.lab.ping import Pings
from tests.lab.waiting import PATIENCE_S, wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import wait_next_hop, wait_told

pytestmark = pytest.mark.netns

AROUND = CableTraits(delay_s=0.02)  # so that nothing but silence makes a route leave the relay


class DroppingDaemon(LabDaemon):
    """A daemon that drops what it should forward, once it is told so."""

    def arguments(self) -> list[str]:
        return [sys.executable, "-m", "tests.hostile.dropping_daemon", *super().arguments()[1:]]

    def drop(self) -> None:
        os.kill(self.pid, signal.SIGUSR2)


def test_packets_take_another_way_around_a_relay_that_drops_them(make_mesh: MakeMesh) -> None:
    traits = [CableTraits(), CableTraits(), AROUND, AROUND]
    mesh = make_mesh([("a", "l"), ("l", "b"), ("a", "c"), ("c", "b")], traits=traits)
    a, b, relay = mesh["a"], mesh["b"], mesh["l"]
    relay.__class__ = DroppingDaemon
    assert isinstance(relay, DroppingDaemon)
    mesh.start()
    mesh.wait_settled()
    wait_next_hop(mesh, "a", "b", "l", PATIENCE_S)
    wait_next_hop(mesh, "b", "a", "l", PATIENCE_S)
    with Pings(a.host, b.address, interval=0.05) as pings:
        wait_until(lambda: pings.answered_since(0.0), PATIENCE_S, "an answer over the relay")
        relay.drop()
        wait_told(a, "route-avoided", 0, PATIENCE_S, node=b.address)
        wait_next_hop(mesh, "a", "b", "c", PATIENCE_S)
        wait_next_hop(mesh, "b", "a", "c", PATIENCE_S)
        moved_at = time.time()
        wait_until(lambda: pings.answered_since(moved_at), PATIENCE_S, "an answer over the other way")
    explained = a.get(f"admin/routes/explain/{b.address}")
    assert [one["verdict"] for one in explained["candidates"] if one["nextHop"] == relay.address] == ["avoided"]
