"""Waypoints: nodes at which others meet this one for a while, nearer to both than its home is."""

from heapq import nsmallest
from math import inf
from typing import Final

from mycelium.limits import VICINITY_NODES, WAYPOINTS
from mycelium.routing.advertise import Advertiser
from mycelium.routing.scope import Scope
from mycelium.routing.table import SLOTS, RouteTable
from mycelium.wire.distance import INFINITY

SEEN_S: Final = 5.0  # for which a look at what is near is good
OF_SESSIONS: Final = 2 << SLOTS  # a bit that is no neighbour's, nor that of homes


class Waypoints:
    """Pins this node towards waypoints, and tells what is near it."""

    __slots__ = ("_advertiser", "_scope", "_seen", "_seen_at", "_table", "_until")

    def __init__(self, table: RouteTable, scope: Scope, advertiser: Advertiser) -> None:
        self._table = table
        self._scope = scope
        self._advertiser = advertiser
        self._seen: dict[bytes, int] = {}
        self._seen_at = -inf
        self._until: dict[bytes, float] = {}  # by waypoint; the one that is over first comes first

    def __len__(self) -> int:
        return len(self._until)

    def pin(self, waypoint: bytes, until: float, *, now: float) -> bool:
        """Keeps this node in scope on the way to a waypoint; returns False if there are too many."""
        own, pins = self._table.own.node, self._scope.pins
        if waypoint not in self._until and len(self._until) >= WAYPOINTS:
            return False
        if not pins.pin(own, waypoint, OF_SESSIONS):
            return False
        self._until.pop(waypoint, None)
        self._until[waypoint] = until
        self._advertiser.hurry(now=now)
        return True

    def expire(self, *, now: float) -> None:
        """Takes the pins back whose time is over."""
        while self._until and next(iter(self._until.values())) <= now:
            waypoint = next(iter(self._until))
            del self._until[waypoint]
            self._scope.pins.unpin(self._table.own.node, waypoint, OF_SESSIONS)
            self._advertiser.hurry(now=now)

    def vicinity(self, *, now: float) -> dict[bytes, int]:
        """Returns the metrics of the nearest nodes and of all landmarks, as they were a moment ago; not of this node."""
        if now - self._seen_at >= SEEN_S:
            self._seen_at = now
            used = (row for row in self._table.rows.values() if 0 < row.metric < INFINITY and self._scope.holds(row))
            near = nsmallest(VICINITY_NODES, ((row.metric, row.node) for row in used))
            landmarks = self._scope.landmarks.values()
            self._seen = {node: metric for metric, node in near}
            self._seen |= {row.node: row.metric for row in landmarks if 0 < row.metric < INFINITY}
        return self._seen
