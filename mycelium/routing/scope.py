"""Scope: which rows a node uses and tells of, so that its table does not grow with the network.

In scope are the nearest nodes, so many as `RoutingParameters.scope` says, all landmarks, and nodes that are pinned here. Any
other row is treated as if its metric were infinite, which RFC 8966 (section 3.5.2) leaves to a node, and which makes no loop:
what a node does not advertise, nobody can derive a route from. In a network of no more nodes nothing is ever out of scope.

Nodes are ordered by metric and address, this node and landmarks included. The nodes on the shortest path to one of the nearest
therefore have it among their nearest too. Up to a quarter more nodes are kept before the cutoff is drawn anew.
"""

from heapq import nsmallest
from typing import Final

from mycelium.limits import DESTINATIONS, LANDMARKS
from mycelium.routing.destination import Destination
from mycelium.routing.pins import Pins
from mycelium.routing.table import RouteTable
from mycelium.wire.announcement import LANDMARK
from mycelium.wire.distance import INFINITY

EVERYBODY: Final = -1  # all bits
_NO_CUTOFF: Final = (INFINITY, b"")


class Scope:
    """Decides which rows are in scope. `near` of rows means something only while `is_cutting`."""

    __slots__ = (
        "_cutoff",
        "_least",
        "_most",
        "_near",
        "_table",
        "is_cutting",
        "is_leaf",
        "is_limited",
        "landmarks",
        "pins",
    )

    def __init__(self, table: RouteTable, nodes: int, *, is_leaf: bool = False) -> None:
        self._table = table
        self._least = nodes
        self._most = nodes + nodes // 4
        self._near = 0  # rows that are near
        self._cutoff = _NO_CUTOFF  # metric and node of the last row that is near
        self.is_limited = nodes < DESTINATIONS  # else landmarks and pins are no use, and none are taken
        self.is_cutting = False  # whether any row may be out of scope
        self.is_leaf = is_leaf  # tells of itself only
        self.landmarks: dict[bytes, Destination] = {}  # those known longest first
        self.pins = Pins()

    def holds(self, row: Destination) -> bool:
        """Tells whether a row is in scope."""
        return not self.is_cutting or row.near or row.node in self.landmarks or row.node in self.pins.by_node

    def would_hold(self, row: Destination, metric: int) -> bool:
        """Tells whether a row would be in scope with another metric."""
        return self.is_near(row, metric) or row.node in self.landmarks or row.node in self.pins.by_node

    def is_near(self, row: Destination, metric: int) -> bool:
        """Tells whether a row is among the nearest with this metric."""
        return metric < self._cutoff[0] or (metric, row.node) <= self._cutoff

    def receivers(self, row: Destination) -> int:
        """Returns the neighbours (bits) that are told of a row in scope: all, or those its pins lead to; none by a leaf."""
        return 0 if self.is_leaf and row is not self._table.own else self._wanting(row)

    def _wanting(self, row: Destination) -> int:
        """Returns the neighbours (bits) that are told of a row in scope by a node that is no leaf."""
        if not self.is_cutting or row.near or row.node in self.landmarks:
            return EVERYBODY
        return self.pins.told(row.node)

    def follow(self, row: Destination) -> None:
        """Notes a new metric of a row."""
        is_near = self.is_near(row, row.metric)
        if is_near is not row.near:
            row.near = is_near
            self._near += 1 if is_near else -1

    def learned(self, row: Destination) -> None:
        """Notes a new announcement of a row."""
        if not self.is_limited or not row.announcement.flags & LANDMARK:
            self.landmarks.pop(row.node, None)
        elif len(self.landmarks) < LANDMARKS:
            self.landmarks[row.node] = row

    def forget(self, row: Destination) -> None:
        """Drops a row that is removed from the table; it has no route."""
        self.landmarks.pop(row.node, None)

    def is_due(self, routes: int) -> bool:
        """Tells whether the cutoff is to be drawn anew in a table with so many selected routes to other nodes."""
        if self.is_cutting:
            return not self._least <= self._near <= self._most
        return routes >= self._most

    def redraw(self) -> list[Destination]:
        """Draws the cutoff anew; returns the rows that came into scope, or left it."""
        finite = [row for row in self._table.rows.values() if row.metric < INFINITY]
        before = [self._wanting(row) for row in finite]  # of a row that is pinned too, others than before
        nodes = self._least if not self.is_cutting or self._near > self._most else (self._least + self._most) // 2
        self.is_cutting = len(finite) > self._most
        self._cutoff = (
            nsmallest(nodes, ((row.metric, row.node) for row in finite))[-1] if self.is_cutting else _NO_CUTOFF
        )
        for row in self._table.rows.values():
            row.near = row.metric < INFINITY and self.is_near(row, row.metric)
        self._near = sum(row.near for row in finite)
        return [row for row, told in zip(finite, before, strict=True) if self._wanting(row) != told]
