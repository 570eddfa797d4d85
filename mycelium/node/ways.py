"""Ways to nodes that have no next hop: over another neighbour, or wrapped towards where the node is at home.

A wrapped train follows next hops towards a waypoint, until a node has a route to its own destination; from there it follows
next hops to that. It is never wrapped twice, and no node on its way keeps anything of it.
"""

from collections.abc import Container, Iterator
from math import inf

from mycelium.dataplane.wrapping import Detour
from mycelium.node.directory import Directory
from mycelium.routing.engine import RoutingEngine
from mycelium.session.session import Session
from mycelium.session.table import Sessions
from mycelium.wire.distance import INFINITY
from mycelium.wire.home_record import NOWHERE
from mycelium.wire.train import DEFLECTED


class HomewardWays:
    """Ways from one node; `links` are by neighbour."""

    __slots__ = ("_directory", "_forwarding", "_links", "_routing", "_sessions")

    def __init__(
        self, routing: RoutingEngine, links: Container[bytes], sessions: Sessions, directory: Directory
    ) -> None:
        self._routing = routing
        self._forwarding = routing.forwarding
        self._links = links
        self._sessions = sessions
        self._directory = directory

    @property
    def own_home(self) -> bytes:
        """Where others reach this node that have no route to it; empty if all have one."""
        routing = self._routing
        return routing.node if routing.is_landmark else routing.home or b""

    def leaving(self, node: bytes) -> Detour | None:
        """Returns how trains for a node leave, over the next hop or without one; None if there is no way."""
        neighbour = self._forwarding.next_hop.get(node)
        if neighbour is not None and neighbour in self._links:
            return Detour(neighbour, 0)
        return self.way_to(node)

    def homes(self, node: bytes) -> list[bytes]:
        """Returns where a node is at home as far as is known, the likeliest first."""
        session = self._sessions.by_peer.get(node)
        lost = {} if session is None else session.lost
        return sorted(dict.fromkeys(self._homes(node, session)), key=lambda home: lost.get(home, -inf))

    def way_to(self, node: bytes, home: bytes = b"", turn: int = 0) -> Detour | None:
        """Returns how trains for a node leave; None if there is no way.

        What answers a train goes to the home that the train has shown, before all else: it has come from there just now.
        Homes by which trains did not arrive come last, and each `turn` of the caller begins with another one.
        A neighbour with a route to a node out of scope is the last choice, since such routes are long.
        """
        shown = self._way_over(home) if home else None
        if shown is not None:
            return shown
        deflected = self._forwarding.alternate(node)
        if deflected is not None and self._routing.metric(node) == INFINITY:
            return Detour(deflected, DEFLECTED)
        session = self._sessions.by_peer.get(node)
        if session is not None and self._forwarding.next_hop.get(session.waypoint) in self._links:
            return Detour(self._forwarding.next_hop[session.waypoint], 0, session.waypoint)
        homes = self.homes(node)
        first = turn % max(len(homes), 1)
        for waypoint in homes[first:] + homes[:first]:
            way = self._way_over(waypoint)
            if way is not None:
                return way
        return None if deflected is None else Detour(deflected, DEFLECTED)

    def _homes(self, node: bytes, session: Session | None) -> Iterator[bytes]:
        """Yields where a node may be at home: as it says in its session, has signed, and has shown in its request."""
        known = self._directory.home_of(node)
        signed = () if known is None else known.record.homes
        shown = (b"", b"") if session is None else (session.home, session.way_back)
        return (one for one in (shown[0], *signed, shown[1]) if one not in (b"", NOWHERE))

    def _way_over(self, home: bytes) -> Detour | None:
        neighbour = self._forwarding.next_hop.get(home)
        if neighbour in self._links:
            assert neighbour is not None
            return Detour(neighbour, 0, home)
        neighbour = self._forwarding.alternate(home)
        return None if neighbour is None else Detour(neighbour, DEFLECTED, home)
