"""The journal of a real node tells of a cut what the pings across it saw."""

import time
from typing import Final

import pytest

from tests.lab.daemon import PROGRAM
from tests.lab.mesh import ring
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import BACK_SECONDS, outage_of, wait_next_hop, wait_told

pytestmark = pytest.mark.netns

AGREES_S: Final = 0.5  # an answer may have been overdue before the cut
LATE_S: Final = 1.0  # what a busy machine may add
CALM_ROUND_TRIP_S: Final = 0.02


def test_the_source_of_a_cut_path_tells_the_link_the_switch_and_the_time_without(make_mesh: MakeMesh) -> None:
    mesh = make_mesh(ring("a", "b", "c", "d"))
    mesh.start()
    mesh.wait_converged()
    mesh.wait_linked()
    a, b, d = (mesh[name] for name in "abd")
    others = {mesh[name].address for name in "bcd"}
    assert {event["node"] for event in a.events(kind="link-up")} == {b.address, d.address}
    assert {event["node"] for event in a.events(kind="route")} == others
    mesh.wait_calm(CALM_ROUND_TRIP_S)  # so that silence is what the route changes for
    since, cut_at = 0, 0.0

    def cut() -> None:
        nonlocal since, cut_at
        wait_next_hop(mesh, "a", "b", "b")
        since, cut_at = a.newest_event(), time.time()
        mesh.cable("a", "b").cut()

    outage_s = outage_of(a, b, cut)
    wait_told(a, "link-suspect", since, node=b.address)
    down = wait_told(a, "link-down", since, node=b.address)
    assert down["cause"] == "silent"
    switch = wait_told(a, "route", since, node=b.address, before=b.address)
    assert (switch["after"], switch["cause"]) == (d.address, "suspected")
    assert -AGREES_S < outage_s - switch["withoutS"] < LATE_S, (switch, outage_s)
    assert 0 < switch["time"] - cut_at < switch["withoutS"] + LATE_S
    printed = a.host.run(PROGRAM, "--api-addr", f"unix:{a.api_socket}", "events").stdout
    assert f"link down: {b.address} has not answered for" in printed
    assert f"route to {b.address} now leads via {d.address}, not directly: the link to it seemed cut" in printed
    assert f"link down: {b.address}" in a.log()
    wait_until(lambda: a.cli("events") == a.get("admin/events"), BACK_SECONDS, "both show the same events")
