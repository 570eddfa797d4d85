"""Knocks for neighbours, and asks them to knock here, for the operator who wants to know whether others can dial this node."""

import asyncio
import logging
from typing import Final

from mycelium.admin.diagnosis import KnockInfo
from mycelium.daemon.link_infos import NameOf
from mycelium.daemon.peers import Act
from mycelium.errors import DeviceError
from mycelium.identity import address_text
from mycelium.outbox import KnockDue
from mycelium.peering.knocks import Knock, Knocks
from mycelium.transport.ephemeral_port import EphemeralPort
from mycelium.transport.underlay import Underlay

ROUNDS: Final = 2  # neighbours are asked again, as a knock may be lost
ROUND_S: Final = 1.0
LOOK_S: Final = 0.02  # between looks at what has arrived

log = logging.getLogger("mycelium")


def knock(due: KnockDue, underlay: Underlay) -> None:
    """Sends a neighbour a datagram from a port that nothing else was sent from; one that can't be sent is lost."""
    try:
        port = EphemeralPort(underlay)
    except DeviceError as error:
        log.debug("no knock at %s: %s", due.endpoint, error)
        return
    port.send(due.endpoint, due.datagram)
    port.close()


async def knocked_by(knocks: Knocks, act: Act, name_of: NameOf) -> list[KnockInfo]:
    """Asks neighbours to knock; tells of each that was asked whether its knock has arrived. `act` calls the node."""
    arrived: dict[tuple[bytes, int], bool] = {}
    for _ in range(ROUNDS):
        asked = await _round(knocks, act)
        for one in asked:
            key = one.neighbour, one.version
            arrived[key] = arrived.get(key, False) or one.has_arrived
        if all(arrived.values()):
            break
    return [
        KnockInfo(node=address_text(node), name=name_of(node), ip_version=version, arrived=has)
        for (node, version), has in arrived.items()
    ]


async def _round(knocks: Knocks, act: Act) -> tuple[Knock, ...]:
    asked: list[Knock] = []
    act(lambda now: asked.extend(knocks.ask(now=now)))
    for _ in range(round(ROUND_S / LOOK_S)):
        if all(one.has_arrived for one in asked):
            break
        await asyncio.sleep(LOOK_S)
    return tuple(asked)
