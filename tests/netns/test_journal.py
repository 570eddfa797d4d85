"""The journal of a real node tells of a cut what the pings across it saw."""

import time
from typing import Any, Final

import pytest

from tests.lab.daemon import PROGRAM
from tests.lab.mesh import ring
from tests.lab.ping import Pings, ping
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh

pytestmark = pytest.mark.netns

AGREES_S: Final = 0.2
HEALED_SECONDS: Final = 10.0


def test_the_source_of_a_cut_way_tells_the_link_the_switch_and_the_time_without(make_mesh: MakeMesh) -> None:
    mesh = make_mesh(ring("a", "b", "c", "d"))
    mesh.start()
    mesh.wait_converged()
    a, b, d = (mesh[name] for name in "abd")
    others = {mesh[name].address for name in "bcd"}
    first = a.get("admin/events")
    assert {event["node"] for event in first if event["kind"] == "link-up"} == {b.address, d.address}
    assert {event["node"] for event in first if event["kind"] == "route"} == others
    ping(a.host, b.address, count=50, interval=0.01)

    def since(number: int, *, wait_s: float = 0) -> list[dict[str, Any]]:
        return list(a.get(f"admin/events?after={number}&wait={wait_s}"))

    def goes_direct() -> bool:
        return any((one["subnet"], one["nextHop"]) == (b.subnet, b.address) for one in a.get("admin/routes/selected"))

    wait_until(goes_direct, 30, "the cost of the link, measured while all daemons started, has come down")
    newest = a.get("admin/events")[-1]["sequence"]
    pings = Pings(a.host, b.address)
    ping(a.host, b.address, count=50, interval=0.01)
    assert not [event for event in since(newest) if event["kind"].startswith("link-d")]
    cut_at = time.time()
    mesh.cable("a", "b").cut()
    wait_until(
        lambda: any(event["kind"] == "link-suspect" for event in since(newest, wait_s=1)), 5, "the suspicion is told"
    )
    wait_until(
        lambda: ping(a.host, b.address, count=20, interval=0.01, wait=1).received == 20, HEALED_SECONDS, "healed"
    )
    outage_s = pings.finish().outage_s

    def has_both() -> bool:
        told = since(newest)
        is_switched = any(event["kind"] == "route" and event["node"] == b.address for event in told)
        return is_switched and any(event["kind"] == "link-down" for event in told)

    wait_until(has_both, 5, "the link's death and the switch are told")
    told = since(newest)
    (down,) = (event for event in told if event["kind"] == "link-down")
    assert (down["node"], down["cause"]) == (b.address, "silent")
    (switch,) = (event for event in told if event["kind"] == "route" and event["node"] == b.address)
    assert (switch["before"], switch["after"], switch["cause"]) == (b.address, d.address, "suspected")
    assert abs(switch["withoutS"] - outage_s) < AGREES_S, (switch, outage_s)
    assert 0 < switch["time"] - cut_at < switch["withoutS"] + AGREES_S
    printed = a.host.run(PROGRAM, "--api-addr", f"unix:{a.api_socket}", "events").stdout
    assert f"link down: {b.address}, silent for" in printed
    assert f"route to {b.address}: {b.address} -> {d.address}, suspected" in printed
    assert f"link down: {b.address}" in a.log()
    assert a.cli("events") == a.get("admin/events")
