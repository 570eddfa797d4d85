"""Links with two processes that have one key: a neighbour that was restarted before its old link is dead, or two hosts.

Each process has a link of its own, which carries packets and routes as any other, so that two hosts do not disturb each other,
and hear of each other. The second link goes under a longer name: the neighbour's address and the instance. It gets
the address alone once the first link is down.
"""

from mycelium.identity import ADDRESS_BYTES
from mycelium.link.events import (
    CostChanged,
    ItemsReceived,
    LinkDown,
    LinkEvent,
    LinkSuspected,
    LinkTrusted,
    LinkUp,
    NeighbourReset,
)
from mycelium.link.handshakes import Completed
from mycelium.link.link import Link, LinkState
from mycelium.node.link_maker import LinkMaker
from mycelium.routing.engine import RoutingEngine


def is_second(name: bytes) -> bool:
    """Tells whether a link of this name is the second one with a neighbour."""
    return len(name) > ADDRESS_BYTES


def tell_routing(routing: RoutingEngine, event: LinkEvent, *, now: float) -> None:
    """Tells routing of an event of any link."""
    match event:
        case ItemsReceived():
            routing.receive(event.neighbour, event.items, now=now)
        case LinkUp() | NeighbourReset():
            routing.neighbour_up(event.neighbour, event.cost, now=now)
        case LinkSuspected() | LinkTrusted():
            routing.neighbour_suspect(event.neighbour, isinstance(event, LinkSuspected), now=now)
        case LinkDown():
            routing.neighbour_down(event.neighbour, now=now)
        case CostChanged():
            routing.neighbour_cost(event.neighbour, event.cost, now=now)


class SecondLinks:
    """Which of `links` are second ones: at most one of each neighbour."""

    def __init__(self, links: dict[bytes, Link], maker: LinkMaker, routing: RoutingEngine) -> None:
        self._links = links
        self._maker = maker
        self._routing = routing
        self._names: dict[bytes, bytes] = {}  # by the neighbour's address

    def name_for(self, completed: Completed) -> bytes:
        """Returns the name of the link that a completed handshake belongs to, or that a new link with that process has."""
        address, instance = completed.keys.peer_address, completed.keys.peer_instance
        first = self._links.get(address)
        return address if first is None or first.instance == instance or first.is_over else address + instance

    def is_up(self, address: bytes) -> bool:
        """Tells whether a neighbour has a second link that is up."""
        name = self._names.get(address)
        return name is not None and self._links[name].state is not LinkState.DOWN

    def added(self, link: Link, *, now: float) -> None:
        """Takes a new second link, in place of any other, and has the first one tested: mostly, its process is no more."""
        if link.address in self._names:
            self._drop(self._names[link.address], now=now)
        self._names[link.address] = link.name
        first = self._links[link.address]
        for path in first.paths:
            first.reported_unreachable(path.endpoint, now=now)

    def settle(self, *, now: float) -> list[bytes]:
        """Forgets second links that are over, and gives others the place of first ones that are; returns these neighbours.

        Does nothing while there are events to be handled.
        """
        settled: list[bytes] = []
        if self._maker.events:
            return settled
        for address, name in list(self._names.items()):
            first = self._links.get(address)
            if self._links[name].is_over:
                self._drop(name, now=now)
            elif first is None or first.is_over:
                self._promote(address, name, now=now)
            else:
                continue
            settled.append(address)
        return settled

    def _drop(self, name: bytes, *, now: float) -> None:
        link = self._links.pop(name)
        del self._names[link.address]
        link.end("", now=now)
        self._routing.neighbour_down(name, now=now)
        self._maker.events[:] = [event for event in self._maker.events if event.neighbour != name]

    def _promote(self, address: bytes, name: bytes, *, now: float) -> None:
        if address in self._links:
            self._links[address].end("", now=now)
        link = self._links[address] = self._links.pop(name)
        del self._names[address]
        link.name = address
        link.frames.rearm(self._maker.arm(address), link.next_deadline())
        self._routing.rename_neighbour(name, address)
