"""Relays lease ports to daemons behind hard NATs, end under a lease, and say why they give none."""

import signal
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Final

import pytest

from tests.lab.daemon import PORT, LabDaemon, start_all
from tests.lab.laboratory import Lab
from tests.lab.nat import Internet, NatKind
from tests.lab.ping import Pings
from tests.lab.waiting import wait_until
from tests.netns.healing import HEALED_SECONDS, Losses, wait_told
from tests.netns.test_shortcuts import READY_SECONDS, are_linked, endpoint_of, is_ready

pytestmark = pytest.mark.netns

LEASED_SECONDS: Final = 20.0  # from the first packet, or the end of the relay before, to a link across a leased port
INTERVAL_SECONDS: Final = 0.02  # between pings


class Unprivileged(LabDaemon):
    """A daemon without CAP_NET_ADMIN."""

    def arguments(self) -> list[str]:
        return ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin", *super().arguments()]


def rules(relay: LabDaemon) -> str:
    return relay.host.run("nft", "list", "ruleset").stdout


def is_leased(here: LabDaemon, there: LabDaemon, relays: list[LabDaemon]) -> bool:
    """Tells whether two ends are linked across a port of one of these relays."""
    leased = [relay for relay in relays if relay.is_running and relay.get("admin/status")["leasesGiven"]]
    return bool(leased) and are_linked(here, there)


def is_reached_at(end: LabDaemon, far: LabDaemon, port: int) -> bool:
    return endpoint_of(end, far).endswith(f":{port}")


def test_two_ends_behind_hard_nats_are_linked_across_a_relay_and_its_end_leaves_no_rule(
    lab: Lab, tmp_path: Path
) -> None:
    internet = Internet(lab)
    cables = [internet.attach(name) for name in ("relay1", "relay2")]
    relays = [LabDaemon(cable.far_end(internet.gateway).host, tmp_path) for cable in cables]
    here, there = (LabDaemon(internet.add_behind(NatKind.SYMMETRIC, name), tmp_path) for name in ("here", "there"))
    for end in (here, there):
        end.peers += [f"udp://{cable.far_end(internet.gateway).ipv4}:{PORT}" for cable in cables]
    daemons = [*relays, here, there]
    lab.daemons += daemons
    start_all(daemons)
    for end, far in permutations((here, there)):
        wait_until(partial(is_ready, end, far), READY_SECONDS, f"{end.name} has links and a route to {far.name}")

    losses = Losses(*daemons)
    with Pings(here.host, there.address) as pings:
        wait_until(
            lambda: is_leased(here, there, relays), LEASED_SECONDS, "both are linked across a lease", every_s=0.1
        )
        result = pings.finish()
    losses.assert_none(result)
    [lessor] = [relay for relay in relays if relay.get("admin/status")["leasesGiven"]]
    [other] = [relay for relay in relays if relay is not lessor]
    [given] = lessor.events(kind="lease-given")
    for end, far in permutations((here, there)):
        wait_until(partial(is_reached_at, end, far, given["count"]), LEASED_SECONDS, f"{end.name} uses the leased port")
        assert wait_told(end, "lease-used", 0)["after"] == lessor.address
    assert f"chain port_{given['count']}" in rules(lessor)
    assert rules(other) == ""
    assert lessor.host.run("cat", "/proc/sys/net/ipv4/ip_forward").stdout == "0\n"

    with Pings(here.host, there.address) as pings:
        lessor.kill()
        wait_until(lambda: rules(lessor) == "", 20, "a killed relay leaves no rule behind")
        wait_until(lambda: is_leased(here, there, [other]), 30, "the other relay has leased a port", every_s=0.2)
        result = pings.finish()
    assert (result.sent - result.received) * INTERVAL_SECONDS < HEALED_SECONDS, result
    assert other.stop(signal.SIGTERM) == 0
    wait_until(lambda: rules(other) == "", 20, "a stopped relay leaves no rule behind")


def test_a_relay_says_why_it_gives_no_leases(lab: Lab, tmp_path: Path) -> None:
    able, unwilling, unable = lab.add_hosts(["able", "unwilling", "unable"])
    daemons = [
        LabDaemon(able, tmp_path, options=["--no-tun"]),
        LabDaemon(unwilling, tmp_path, options=["--no-tun", "--no-relay-leases"]),
        Unprivileged(unable, tmp_path, options=["--no-tun"]),
    ]
    lab.daemons += daemons
    start_all(daemons)
    expected = [None, "switched off (--no-relay-leases)", "CAP_NET_ADMIN is required"]
    wait_until(
        lambda: [daemon.get("admin/status")["noLeases"] for daemon in daemons] == expected, 30, "the reasons are known"
    )
