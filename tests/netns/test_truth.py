"""What the operator is shown is what a person would measure beside it: with ping, with ip -s, with a clock."""

import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import nan
from statistics import median
from typing import Any, Final, TypeVar

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mycelium.routing.metric import link_cost
from tests.lab.daemon import LabDaemon
from tests.lab.mesh import DaemonMesh, line
from tests.lab.ping import ping
from tests.lab.traffic import exchange_tcp
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import wait_answered, wait_told

pytestmark = pytest.mark.netns

# What an operator who reads it takes for a fault.
ALARMING: Final = re.compile(
    r"drop|refus|fail|ignor|missing|not repaired|malformed|not opened|too long|not adopted|too many|lost|full|killed|"
    r"never arrived|requested again|resent|gone|passed over|forgotten",
    re.IGNORECASE,
)
# What happens on any link and is counted apart, so that the others can be 0.
ORDINARY: Final = {"mtu_probes_sent", "udp_mtu_probes_refused"}
ETHERNET_IP_UDP: Final = 14 + 20 + 8
PINGS: Final = 400
PING_BYTES: Final = 1_200
SETTLED_S: Final = 60.0  # a cost that rose while the machine was busy comes down late
FEW_PER_CENT: Final = 0.03
HEADS: Final = {"tcp": 0.1, "quic": 0.15}  # shares of all bytes: heads, tags and acknowledgements
RECENT_S: Final = 6.0
OUR_OWN_WORK_MS: Final = 1.5  # what both daemons do between a datagram and its answer, unless the machine is full
TRIES: Final = 5  # after which a link that is suspected each time is the daemons' own fault

T = TypeVar("T")


@pytest.fixture
def pair(make_mesh: MakeMesh) -> DaemonMesh:
    return make_mesh(line("a", "b"))


def the_peer(daemon: LabDaemon) -> dict[str, Any]:
    [peer] = daemon.get("admin/peers")
    return dict(peer)


def alarming(daemon: LabDaemon) -> dict[str, int]:
    metrics = daemon.get("admin/metrics")
    return {
        one["name"]: one["value"]
        for one in metrics
        if one["kind"] == "counter" and one["value"] and ALARMING.search(one["help"]) and one["name"] not in ORDINARY
    }


def interface(mesh: DaemonMesh, daemon: LabDaemon) -> dict[str, int]:
    """Returns what the kernel has counted at a daemon's only cable: packets and bytes, both ways."""
    name = mesh.cable("a", "b").end(daemon.host).interface
    [told] = json.loads(daemon.host.run("ip", "-s", "-j", "link", "show", name).stdout)
    stats = told["stats64"]
    return {f"{way}_{what}": stats[way][what] for way in ("tx", "rx") for what in ("bytes", "packets")}


@dataclass(frozen=True)
class Figures:
    """What the kernel and a daemon have counted, and what the daemon shows of its peer."""

    interface: dict[str, int]
    counters: dict[str, int]
    peer: dict[str, Any]


def figures(mesh: DaemonMesh, daemon: LabDaemon) -> Figures:
    return Figures(interface(mesh, daemon), daemon.counters(), the_peer(daemon))


def growth(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: value - before[name] for name, value in after.items()}


def wire_ms(mesh: DaemonMesh) -> float:
    """Returns the round trip of the cable between a and b, as ping measures it."""
    far = mesh.cable("a", "b").far_end(mesh["a"].host).ipv4
    return median_ms(mesh["a"], far)


def median_ms(daemon: LabDaemon, address: str) -> float:
    """Returns the median round trip of pings; NaN, which is close to nothing, where none is answered."""
    return median(ping(daemon.host, address, count=20, interval=0.05).round_trips_ms or [nan])


def wait_true(mesh: DaemonMesh, what: str) -> None:
    """Waits until a shows the round trip that ping measures beside it, and the cost that follows from it.

    Where the machine is full the daemons answer late; then it may be what a ping through both of them measures.
    """
    a, b = mesh["a"], mesh["b"]
    measured_ms = 0.0

    def is_at_most(most_ms: float) -> bool:
        peer = the_peer(a)
        rtt_ms, cost = peer["rttMs"], peer["cost"]
        is_shown = rtt_ms is not None and measured_ms / 2 <= rtt_ms < most_ms
        return is_shown and link_cost(measured_ms / 2e3, 0.0) <= cost <= link_cost(most_ms / 1e3, 0.0)

    def is_true() -> bool:
        nonlocal measured_ms
        measured_ms = wire_ms(mesh)
        return is_at_most(measured_ms + OUR_OWN_WORK_MS) or is_at_most(median_ms(a, b.address))

    wait_until(is_true, SETTLED_S, lambda: f"{what}: {the_peer(mesh['a'])}, {measured_ms} measured")


def was_suspected(mesh: DaemonMesh, since: tuple[int, int] = (0, 0)) -> bool:
    """Tells whether a daemon had no turn for so long that the other one suspected the link: packets are lost, and repaired."""
    return any(mesh[name].events(after, "link-suspect") for name, after in zip("ab", since, strict=True))


def newest_events(mesh: DaemonMesh) -> tuple[int, int]:
    return mesh["a"].newest_event(), mesh["b"].newest_event()


def undisturbed(mesh: DaemonMesh, measure: Callable[[], T]) -> T:
    """Returns what is measured while no link is suspected: on a machine that stands still meanwhile, what is measured again."""
    for _ in range(TRIES):
        mesh.wait_converged()
        since = newest_events(mesh)
        measured = measure()
        if not was_suspected(mesh, since):
            break
    return measured


def pinged(mesh: DaemonMesh) -> int:
    """Returns how many of PINGS large pings from a to b are answered."""
    a, b = mesh["a"], mesh["b"]
    return ping(a.host, b.address, count=PINGS, interval=0.005, size=PING_BYTES, wait=20).received


def assert_in_order(events: Iterable[dict[str, Any]]) -> None:
    assert all(one["time"] <= two["time"] for one, two in pairwise(events))


def assert_close(shown: float, measured: float, name: str, share: float = FEW_PER_CENT) -> None:
    assert abs(shown - measured) <= share * measured, f"{name}: {shown} shown, {measured} measured"


def test_a_clean_cable_alarms_nobody_and_every_figure_is_what_others_measure(pair: DaemonMesh) -> None:
    started = time.monotonic()
    pair.start()
    ready = time.monotonic()
    a, b = pair["a"], pair["b"]
    pair.wait_converged()
    wait_until(lambda: the_peer(a)["mtu"] > 1_400 and the_peer(b)["mtu"] > 1_400, SETTLED_S, "the path MTU is found")
    assert ping(a.host, b.address, wait=20).received == 1  # the session is set up, and nothing has to wait

    def measure() -> tuple[int, dict[LabDaemon, Figures], dict[LabDaemon, Figures]]:
        before = {daemon: figures(pair, daemon) for daemon in (a, b)}
        answered = pinged(pair)
        if answered == PINGS:
            exchange_tcp(a.host, b.host, b.address, 1_000_000, seconds=30)
        for daemon in (a, b):
            wait_until(partial(is_reported, daemon), SETTLED_S, f"{daemon.name} has heard what arrived")
        return answered, before, {daemon: figures(pair, daemon) for daemon in (a, b)}

    answered, before, after = undisturbed(pair, measure)
    assert answered == PINGS
    assert was_suspected(pair) or (alarming(a), alarming(b)) == ({}, {})
    for daemon in (a, b):
        wire = growth(before[daemon].interface, after[daemon].interface)
        counted = growth(before[daemon].counters, after[daemon].counters)
        peer_before, peer = before[daemon].peer, after[daemon].peer
        for ours, its in (("sent", "tx"), ("received", "rx")):
            payload = wire[f"{its}_bytes"] - ETHERNET_IP_UDP * wire[f"{its}_packets"]
            assert_close(counted[f"udp_{ours}_bytes"], payload, f"bytes {ours} by {daemon.name}")
            assert_close(peer[f"{its}Bytes"] - peer_before[f"{its}Bytes"], payload, f"bytes {ours} by the peer")
        assert peer["loss"] == 0.0 or was_suspected(pair)
        assert peer["rttAgeS"] < RECENT_S
        assert peer["lastHeardS"] < RECENT_S
        assert peer["cost"] > 0
        assert_in_order(daemon.events())
    for one, other in ((a, b), (b, a)):
        delivers = partial(is_all_delivered, pair, one, other)
        wait_until(delivers, SETTLED_S, f"{other.name} delivers what {one.name} sends")
    asked = time.monotonic()
    uptime_s = a.get("admin/status")["uptimeS"]
    assert asked - ready - 1 < uptime_s < time.monotonic() - started
    assert the_peer(a)["discovered"] <= a.get("admin/status")["uptimeS"]
    wait_true(pair, "the round trip is shown")


def test_an_outage_leaves_no_wrong_figure_and_says_what_it_was(pair: DaemonMesh) -> None:
    pair.start()
    a, b = pair["a"], pair["b"]
    pair.wait_converged()
    wait_answered(a, b)
    totals, carried = [growing(a)], [sent_bytes(a)]
    with b.frozen():  # whose answers then have waited for long
        wait_told(a, "link-down", 0, cause="silent")
        dead = the_peer(a)
        assert (dead["connectionState"] != "alive", dead["rttMs"], dead["loss"], dead["cost"]) == (
            True,
            None,
            None,
            None,
        )
        assert dead["rttAgeS"] > 0
    pair.wait_converged()
    wait_true(pair, "the wire's again")
    totals, carried = [*totals, growing(a)], [*carried, sent_bytes(a)]

    since = [daemon.newest_event() for daemon in (a, b)]
    pair.cable("a", "b").set_carrier(up=False)
    wait_told(a, "link-down", since[0], cause="eth0 was set down")
    wait_told(b, "link-down", since[1], cause="eth0 lost its carrier")
    pair.cable("a", "b").set_carrier(up=True)
    pair.wait_converged()
    totals, carried = [*totals, growing(a)], [*carried, sent_bytes(a)]

    b.stop()
    pair.start("b")
    pair.wait_converged()
    totals, carried = [*totals, growing(a)], [*carried, sent_bytes(a)]
    for earlier, later in pairwise(totals):
        assert {name for name, value in earlier.items() if later[name] < value} == set(), "a counter only grows"
    assert carried == sorted(carried), "whatever has become of the link"
    for daemon in (a, b):
        assert_in_order(daemon.events())


def is_reported(daemon: LabDaemon) -> bool:
    return the_peer(daemon)["loss"] is not None


def is_all_delivered(mesh: DaemonMesh, one: LabDaemon, other: LabDaemon) -> bool:
    """Tells whether as many packets have come out as went in; the kernel may send some of its own at any time."""
    return one.counters()["packets_sent"] == other.counters()["packets_delivered"] or was_suspected(mesh)


def sent_bytes(daemon: LabDaemon) -> float:
    """Returns how much a daemon has sent to its neighbours over all links that there were, as Prometheus reads it."""
    families = text_string_to_metric_families(daemon.scrape())
    [sent] = [family.samples for family in families if family.name == "mycelium_link_transmit_bytes"]
    return sum(sample.value for sample in sent)


def growing(daemon: LabDaemon) -> dict[str, int]:
    """Returns what never falls."""
    return {one["name"]: one["value"] for one in daemon.get("admin/metrics") if one["kind"] == "counter"}


@pytest.mark.parametrize("scheme", ["tcp", "quic"])
def test_over_other_transports_the_round_trip_is_the_wires_too(pair: DaemonMesh, scheme: str) -> None:
    a, b = pair["a"], pair["b"]
    a.peers = [url.replace("udp://", f"{scheme}://") for url in a.peers]
    pair.start()
    pair.wait_converged()
    at_first = alarming(a), alarming(b)  # a may have dialled before b listened, or again before b answered
    since = newest_events(pair)

    def measure() -> tuple[int, float, float]:
        sent, before = interface(pair, a)["tx_bytes"], the_peer(a)["txBytes"]
        answered = pinged(pair)
        return answered, the_peer(a)["txBytes"] - before, interface(pair, a)["tx_bytes"] - sent

    answered, shown, measured = undisturbed(pair, measure)
    assert answered == PINGS
    assert_close(shown, measured, "bytes", HEADS[scheme])
    wait_true(pair, "the wire's round trip is shown")
    assert was_suspected(pair, since) or (alarming(a), alarming(b)) == at_first
