"""Scope: which rows a node uses and tells of, so that its table does not grow with the network.

In scope are as many nodes as `RoutingParameters.scope` says, all landmarks, and nodes that are pinned here. Neighbours share
a quarter of the places, by turns, where there are SHARES_FROM or more: each has those in scope that it has brought for longest,
neighbours and nodes that are talked to before all others, and one that brings fewer leaves its places to the rest. So whoever
makes up nodes takes no place of those that others bring, however near he says they are. All other places are those of the
nearest, this node and landmarks included.

Any other row is treated as if its metric were infinite, which RFC 8966 (section 3.5.2) leaves to a node, and which makes no
loop: what a node does not advertise, nobody can derive a route from. The nodes on the shortest path to one of the nearest have
it among their nearest too.

While nothing is out of scope, half as many nodes again are taken where places are shared; else, and later, up to a quarter
more, and then all places are given anew; once no more nodes than that are left, nothing is out of scope again. So there is
room for all that one neighbour tells, and it is the liar's neighbours who decide which of his nodes are too many. In a network
of no more nodes nothing is ever out of scope.
"""

from collections.abc import Callable
from heapq import nsmallest
from typing import Final

from mycelium.limits import DESTINATIONS, LANDMARKS
from mycelium.routing.destination import Destination
from mycelium.routing.pins import Pins
from mycelium.routing.table import RouteTable
from mycelium.wire.announcement import LANDMARK
from mycelium.wire.distance import INFINITY

EVERYBODY: Final = -1  # all bits
SHARED: Final = 4  # one of so many places is given to what a neighbour has brought for long
# Places: of fewer, each neighbour's share would protect hardly anybody, while paths to it are longer and change more often.
SHARES_FROM: Final = 512
_NO_CUTOFF: Final = (INFINITY, b"")


def shared_places(nodes: int) -> int:
    """Returns how many places of a scope neighbours share."""
    return nodes // SHARED if nodes >= SHARES_FROM else 0


def uncut_places(nodes: int) -> int:
    """Returns how many nodes are taken into a scope while nothing is out of it."""
    return nodes + nodes // (2 if shared_places(nodes) else 4)


class Scope:
    """Decides which rows are in scope. `near` of rows means something only while `is_cutting`."""

    __slots__ = (
        "_cutoff",
        "_full",
        "_keeps",
        "_least",
        "_most",
        "_near",
        "_shared",
        "_table",
        "_uncut",
        "is_cutting",
        "is_leaf",
        "is_limited",
        "landmarks",
        "pins",
    )

    def __init__(self, table: RouteTable, nodes: int, *, keeps: Callable[[bytes], bool], is_leaf: bool = False) -> None:
        self._table = table
        self._keeps = keeps  # tells whether a node is talked to
        self._least = nodes
        self._most = nodes + nodes // 4
        self._uncut = uncut_places(nodes)
        self._shared = shared_places(nodes)
        self._near = 0  # rows that are near
        self._cutoff = _NO_CUTOFF  # metric and node of the last of the nearest
        self._full: set[bytes] = set()  # neighbours that bring more than their share; never iterated
        self.is_limited = nodes < DESTINATIONS  # else landmarks and pins are no use, and none are taken
        self.is_cutting = False  # whether any row may be out of scope
        self.is_leaf = is_leaf  # tells of itself only
        self.landmarks: dict[bytes, Destination] = {}  # those known longest first
        self.pins = Pins()

    @property
    def reach(self) -> int:
        """The metric of the last of the nearest."""
        return self._cutoff[0]

    @property
    def is_filtering(self) -> bool:
        """Whether any row may be kept from neighbours."""
        return self.is_cutting or self.is_leaf

    def holds(self, row: Destination) -> bool:
        """Tells whether a row is in scope. A neighbour always is, though others need not be told of it."""
        return not self.is_cutting or row.near or self._is_special(row.node)

    def would_hold(self, row: Destination, metric: int, slot: int) -> bool:
        """Tells whether a row would be in scope with a route of another metric, of the neighbour in a slot."""
        return self._is_near(row, metric, slot) or self._is_special(row.node)

    def _is_special(self, node: bytes) -> bool:
        """Tells whether a node is in scope without a place."""
        return node in self.landmarks or node in self.pins.by_node or node in self._table.by_address

    def _is_near(self, row: Destination, metric: int, slot: int) -> bool:
        """Tells whether a row has one of the places with a route of this metric, of the neighbour in a slot."""
        if metric < self._cutoff[0] or (metric, row.node) <= self._cutoff:
            return True
        if not self._shared or metric == INFINITY:
            return False
        return row.shared or self._table.addresses[slot] not in self._full

    def receivers(self, row: Destination) -> int:
        """Returns the neighbours (bits) that are told of a row in scope: all, or those its pins lead to; none by a leaf."""
        return 0 if self.is_leaf and row is not self._table.own else self._wanting(row)

    def _wanting(self, row: Destination) -> int:
        """Returns the neighbours (bits) that are told of a row in scope by a node that is no leaf."""
        if not self.is_cutting or row.near or row.node in self.landmarks:
            return EVERYBODY
        return self.pins.told(row.node)

    def depends_on_pins(self, row: Destination) -> bool:
        """Tells whether pins decide if a row is in scope, or who is told of it."""
        return self._wanting(row) != EVERYBODY

    def follow(self, row: Destination) -> None:
        """Notes a new metric of a row."""
        is_near = self._is_near(row, row.metric, row.selected)
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
        """Tells whether the places are to be given anew in a table with so many selected routes to other nodes."""
        if self.is_cutting:
            return not self._least <= self._near <= self._most or len(self._table.rows) <= self._most
        return routes >= self._uncut

    def redraw(self) -> list[Destination]:
        """Gives all places anew; returns the rows that came into scope, or left it."""
        finite = [row for row in self._table.rows.values() if row.metric < INFINITY]
        before = [self._wanting(row) for row in finite]  # of a row that is pinned too, others than before
        nodes = self._least if not self.is_cutting or self._near > self._most else (self._least + self._most) // 2
        self.is_cutting = len(finite) > (self._most if self.is_cutting else self._uncut)
        self._cutoff = _NO_CUTOFF
        if self.is_cutting:
            left = nodes - (self._share(finite) if self._shared else 0)
            self._cutoff = nsmallest(left, ((row.metric, row.node) for row in finite if not row.shared))[-1]
        for row in self._table.rows.values():
            row.near = self._is_near(row, row.metric, row.selected)
        self._near = sum(row.near for row in finite)
        return [row for row, told in zip(finite, before, strict=True) if self._wanting(row) != told]

    def _share(self, finite: list[Destination]) -> int:
        """Gives the shared places to the neighbours by turns; returns how many are taken."""
        by_slot: list[list[Destination]] = [[] for _ in self._table.slots]
        for row in self._table.rows.values():  # those known longest first
            row.shared = False
        for row in finite:
            if row.selected >= 0:
                by_slot[row.selected].append(row)
        share = _equal_share([len(brought) for brought in by_slot], self._shared)
        self._full = {self._table.addresses[slot] for slot, brought in enumerate(by_slot) if len(brought) > share}
        taken = 0
        for brought in by_slot:
            if len(brought) > share:
                brought.sort(key=self._is_stranger)
            for row in brought[:share]:
                row.shared = True
                taken += 1
        return taken

    def _is_stranger(self, row: Destination) -> bool:
        return row.node not in self._table.by_address and not self._keeps(row.node)


def _equal_share(wanted: list[int], places: int) -> int:
    """Returns how many places each may have at most so that all that are taken are no more than there are."""
    for others, most in zip(range(len(wanted), 0, -1), sorted(wanted), strict=True):
        if most > places // others:
            return places // others
        places -= most
    return max(wanted, default=0)
