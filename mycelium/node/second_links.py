"""Links with two processes that have one key: a neighbour that was restarted before its old link is dead, or two hosts.

Each process has a link of its own, which carries packets and routes as any other, so that two hosts do not disturb each other,
and hear of each other. The second link goes under a longer name: the neighbour's address and the instance. It gets
the address alone once the first link is down.
"""

from mycelium.endpoint import remote_of
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
            self.drop(self._names[link.address], now=now)
        self._names[link.address] = link.name
        first = self._links[link.address]
        first.reported_unreachable({remote_of(path.endpoint) for path in first.paths}, now=now)

    def settle(self, *, now: float) -> list[bytes]:
        """Forgets second links that were closed, gives others the place of first ones that are over; returns these neighbours.

        Does nothing while there are events to be handled.
        """
        settled: list[bytes] = []
        if self._maker.events:
            return settled
        for address, name in list(self._names.items()):
            first, second = self._links.get(address), self._links[name]
            if second.is_over and (first is None or second.closed_by_peer):
                self.drop(name, now=now)
            elif not second.is_over and (first is None or first.is_over):
                self._promote(second, first, now=now)
            else:
                continue
            settled.append(address)
        return settled

    def drop(self, name: bytes, *, now: float) -> None:
        """Ends a second link."""
        link = self._links.pop(name)
        del self._names[link.address]
        link.end("", now=now)
        self._routing.neighbour_down(name, now=now)
        self._maker.events[:] = [event for event in self._maker.events if event.neighbour != name]

    def _promote(self, second: Link, first: Link | None, *, now: float) -> None:
        """Gives a second link the address, and its name to the first, unless that was closed: a busy host seems dead too."""
        address, name = second.address, second.name
        del self._links[name], self._names[address]
        self._rename(second, address)
        self._routing.rename_neighbour(name, address)
        if first is not None and first.closed_by_peer:
            first.end("", now=now)
        elif first is not None:
            self._rename(first, address + first.instance)
            self._names[address] = first.name

    def _rename(self, link: Link, name: bytes) -> None:
        self._links[name] = link
        link.name = name
        link.frames.rearm(self._maker.arm(name), link.next_deadline())
