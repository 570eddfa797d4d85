"""Daemons behind NATs find a direct way: through both NATs, and to a neighbour behind the same one."""

from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Final

import pytest

from tests.lab.cable_emulator import CableTraits
from tests.lab.daemon import PORT, LabDaemon, start_all
from tests.lab.laboratory import Lab
from tests.lab.nat import PRIVATE_OCTET, Internet, NatKind, NatRouter
from tests.lab.ping import Pings, ping
from tests.lab.waiting import wait_until
from tests.netns.healing import Losses, wait_status

pytestmark = pytest.mark.netns

FOUND_SECONDS: Final = 20.0  # from the first packet to the direct way, on a machine that is busy
READY_SECONDS: Final = 30.0
MOVED_SECONDS: Final = 20.0  # from the change of an outside address: its links are missed, and it is called again
RELAY_DELAY_S: Final = 0.01


def test_traffic_over_a_relay_becomes_direct_within_3_s_and_no_ping_is_lost(lab: Lab, tmp_path: Path) -> None:
    internet = Internet(lab)
    far_away = CableTraits(delay_s=RELAY_DELAY_S)
    cables = [internet.attach(name, traits=far_away) for name in ("relay1", "relay2")]
    relays = [LabDaemon(cable.far_end(internet.gateway).host, tmp_path) for cable in cables]
    router = internet.add_nat("router", NatKind.PORT_RESTRICTED)
    here = LabDaemon(router.add_host("here"), tmp_path)
    beside = LabDaemon(router.add_host("beside"), tmp_path)
    other_router = internet.add_nat("other-router", NatKind.PORT_RESTRICTED)
    there = LabDaemon(other_router.add_host("there"), tmp_path)
    for end in (here, beside, there):
        end.peers += [f"udp://{cable.far_end(internet.gateway).ipv4}:{PORT}" for cable in cables]
    daemons = [*relays, here, beside, there]
    lab.daemons += daemons
    start_all(daemons)
    for end, far in permutations((here, beside, there), 2):
        wait_until(partial(is_ready, end, far), READY_SECONDS, f"{end.name} has links and a route to {far.name}")
    for end in (here, there):
        wait_status(end, natMapping="endpoint-independent")

    losses = Losses(*daemons)
    for far, is_inside in ((there, False), (beside, True)):
        with Pings(here.host, far.address) as pings:
            wait_until(partial(are_linked, here, far), FOUND_SECONDS, f"here and {far.name} are linked", every_s=0.1)
            direct = ping(here.host, far.address, count=20)
            result = pings.finish()
        for pinged in (result, direct):
            losses.assert_none(pinged)
        # over a relay none is quicker than four delays
        assert result.round_trips_ms[0] > 4e3 * RELAY_DELAY_S > 2 * min(direct.round_trips_ms)
        assert endpoint_of(here, far).startswith(f"{PRIVATE_OCTET}.") is is_inside
        wait_until(partial(has_told, here, far), FOUND_SECONDS, "the event")

    moved_to = move(lab, internet, other_router)
    with Pings(here.host, there.address):
        wait_until(
            lambda: endpoint_of(here, there).startswith(moved_to), MOVED_SECONDS, "it is found at its new address"
        )
        wait_until(partial(are_linked, here, there), FOUND_SECONDS, "they are linked again")


def move(lab: Lab, internet: Internet, router: NatRouter) -> str:
    """Gives a router another outer address, and returns it."""
    [cable] = [cable for cable in lab.cables if router.outer in cable.ends]
    address = router.outer.ipv4.removesuffix(".2") + ".77"
    cable.change_address(router.gateway, address, "fd00:0:0:77::77")
    router.gateway.ip(f"route add default via {cable.end(internet.gateway).ipv4}")
    return address


def is_ready(end: LabDaemon, far: LabDaemon) -> bool:
    return len(end.alive_peers()) == 2 and far.subnet in end.reachable_subnets()


def are_linked(one: LabDaemon, other: LabDaemon) -> bool:
    """Tells whether each routes to the other one directly."""
    return all(near.next_hops().get(far.subnet) == far.address for near, far in permutations((one, other)))


def has_told(near: LabDaemon, far: LabDaemon) -> bool:
    return far.address in [event["node"] for event in near.events(kind="shortcut-opened")]


def endpoint_of(near: LabDaemon, far: LabDaemon) -> str:
    """Returns the underlay address at which a neighbour is reached."""
    [peer] = [peer for peer in near.get("admin/peers") if peer["publicKey"] == far.public_key]
    return str(peer["endpoint"]["addr"]["socket"])
