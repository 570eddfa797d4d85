"""How packets leave for other nodes, for the operator; nodes to which this one keeps no route are looked up."""

import asyncio
from typing import Any, Final

from mycelium.admin.diagnosis import WayInfo
from mycelium.daemon.peers import Act
from mycelium.identity import address_text
from mycelium.node.directory import Home
from mycelium.node.node import Node
from mycelium.quantity import quantity
from mycelium.routing.resolution import PENDING, Pending

NO_ROUTE: Final = "there is no route to it"
LOOKUP_S: Final = 3.0  # for which landmarks are waited for
_LOOK_S: Final = 0.02  # between looks whether they have answered


def way_info(node: Node, other: bytes) -> WayInfo:
    """Returns how packets leave for another node."""
    way = node.ways.leaving(other)
    has_route = other in node.routing.forwarding.next_hop
    return WayInfo(
        node=address_text(other),
        next_hop=None if way is None else address_text(way.neighbour),
        has_route=has_route,
        homes=[] if has_route else [address_text(home) for home in node.ways.homes(other)],
        waypoint=None if way is None or not way.waypoint else address_text(way.waypoint),
    )


def fields_of(way: WayInfo) -> dict[str, Any]:
    """Returns the fields of a way, for what has them among others."""
    return {name: getattr(way, name) for name in WayInfo.__struct_fields__}


def why_none(node: Node, way: WayInfo) -> str:
    """Returns why there is no way to a node that was looked up, for people."""
    landmarks = sum(one != node.identity.address for _, one in node.routing.landmarks.reached())
    if way.homes:
        return f"it is at home at {' and '.join(way.homes)}, to which there is no route"
    if landmarks:
        return (
            f"there is no route to it here, and none of {quantity(landmarks, 'landmark')} has told where it is at home"
        )
    if node.routing.landmarks.are_needed:
        return "there is no route to it here, nor to any landmark that could tell where it is at home"
    return NO_ROUTE


async def look_up(node: Node, act: Act, address: bytes) -> bytes:
    """Has the node find out where the owner of an address is at home, unless it has a route; returns the owner, if found."""
    owner = node.directory.node_at(address) or address
    if owner in node.routing.forwarding.next_hop:
        return owner

    def resolve() -> Home | Pending | None:
        found: list[Home | Pending | None] = []
        act(lambda now: found.append(node.directory.resolve(address, now=now)))
        return found[0]

    time = asyncio.get_running_loop().time
    until, result = time() + LOOKUP_S, resolve()
    while result is PENDING and time() < until:
        await asyncio.sleep(_LOOK_S)
        result = resolve()
    return node.directory.node_at(address) or address
