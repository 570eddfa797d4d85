"""A cloned relay: two daemons with one key at the same two neighbours."""

import time
from typing import Final

import pytest

from tests.lab.daemon import PROGRAM
from tests.lab.ping import Pings
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import BACK_SECONDS, Losses, wait_answered, wait_told

pytestmark = pytest.mark.netns

KEY: Final = bytes(range(32))
PINGS: Final = 50


def test_a_clone_is_told_of_everywhere_and_the_mesh_goes_on(make_mesh: MakeMesh) -> None:
    edges = [("old", "hub"), ("hub", "c"), ("c", "d"), ("new", "hub"), ("old", "e"), ("new", "e")]
    mesh = make_mesh(edges, seeds={"old": KEY, "new": KEY})
    old, new, hub, d, e = (mesh[name] for name in ("old", "new", "hub", "d", "e"))
    mesh.start(["hub", "c", "d", "old", "e"])
    started = int(time.time())  # of two that start within one second, chance decides
    mesh.wait_converged()
    wait_answered(d, old)
    wait_until(lambda: int(time.time()) > started, 2.0, "the next second, in which the newer host starts")
    losses = Losses(old, hub, mesh["c"], d, e)
    with (
        Pings(d.host, hub.address, interval=0.02) as bystanders,
        Pings(e.host, d.address, interval=0.02) as relayed,  # by the older host, then by the newer one
    ):
        mesh.start(["new"])
        wait_until(lambda: old.get("admin/status")["peersAlive"] == 0, BACK_SECONDS, "the older host stands back")
        wait_until(lambda: new.get("admin/status")["keyShared"], BACK_SECONDS, "the newer host knows")
        wait_told(hub, "neighbour-key-shared", 0, node=new.address)
        wait_answered(d, new)
        for result in (bystanders.finish(), relayed.finish()):
            assert result.sent > PINGS
            losses.assert_none(result)

    assert "keeps the address" in new.get("admin/status")["keyShared"]
    assert "has closed its links" in old.get("admin/status")["keyShared"]
    assert {peer["lastError"] for peer in old.get("admin/peers")} == {"another host runs with this node's key"}
    assert {peer["keyShared"] is not None for peer in hub.get("admin/peers") if peer["address"] == new.address} == {
        True
    }
    wait_answered(d, new, count=PINGS)
    for daemon in (old, new):
        [line] = [line for line in daemon.log().splitlines() if "another host runs with this node's key:" in line]
        assert "generate-keys --force" in line
        assert len(daemon.events(kind="key-shared")) == 1
    shown = old.host.run(PROGRAM, "status", "--api-addr", f"unix:{old.api_socket}").stdout
    assert "State:       fail: another host runs with this node's key: " in shown
