"""The route table (RFC 8966 sections 3.2.5 and 3.2.6): a row per node, with its source entry, its routes and who was told.

A row's routes are a list indexed by the neighbours' slots, each one packed integer (`distance`), unfeasible and retracted
ones included: a route costs 8 bytes and its integer. There are no timers per route: neighbours' tables are kept in step by
reliable streams, and end with them.

Invariants: `metric` is INFINITY exactly when `selected` is NOBODY; a selected route is finite, and was feasible when it was
selected; a neighbour outside `holders` holds no finite route of ours, one in `current` holds `advertised`.
"""

from typing import Final

from msgspec import Struct

from mycelium.limits import DESTINATIONS
from mycelium.routing.neighbour import Neighbour
from mycelium.wire.announcement import Announcement
from mycelium.wire.distance import INFINITY, METRIC_MASK, NO_SOURCE, RETRACTED, UNKNOWN, distance, sequence_of

NOBODY: Final = -1  # in place of a slot: no route is selected
OURSELVES: Final = -2  # in place of a slot: the row of this node itself

SETTLED: Final = 0
LAZY: Final = 1  # only the sequence has changed since it was advertised
DIRTY: Final = 2


class Destination(Struct, eq=False, gc=False):
    """One node: the row of the route table and of the source table."""

    node: bytes
    announcement: Announcement  # the newest that was verified
    floor: int  # the least distance of its sequence
    advanced: float  # when its sequence was first seen
    routes: list[int]  # what each neighbour advertises
    older: tuple[Announcement, ...] = ()  # verified ones whose sequence some route still has
    feasibility_distance: int = NO_SOURCE
    selected: int = NOBODY
    metric: int = INFINITY
    advertised: int = UNKNOWN  # what we last advertised
    holders: int = 0  # bits of neighbours that hold a finite advertisement of ours
    current: int = 0  # those of them that hold `advertised`
    announced: int = 0  # bits of neighbours that were sent the announcement of `advertised`
    queued: int = SETTLED

    @property
    def sequence(self) -> int:
        """The newest sequence that is known to be signed."""
        return self.announcement.sequence

    def announcement_of(self, packed: int) -> Announcement | None:
        """Returns the verified announcement with the sequence of a distance while it is in use, else None."""
        if 0 <= packed - self.floor <= METRIC_MASK:
            return self.announcement
        sequence = sequence_of(packed)
        return next((older for older in self.older if older.sequence == sequence), None)

    def learn(self, announcement: Announcement, now: float) -> None:
        """Takes a verified announcement; keeps the others as long as a route or advertisement has their sequence."""
        if announcement.sequence < self.sequence:
            self.older = (*self.older, announcement)
            return
        used = {sequence_of(route) for route in (*self.routes, self.advertised) if route != UNKNOWN}
        self.older = tuple(one for one in (self.announcement, *self.older) if one.sequence in used)
        self.announcement = announcement
        self.floor = distance(announcement.sequence, 0)
        self.advanced = now

    def has_routes(self) -> bool:
        """Tells whether any neighbour advertises a finite route, feasible or not."""
        return any(route < RETRACTED for route in self.routes)


# A Struct's own assignment looks after the collector, which rows are hidden from, and takes three times as long.
# Both, since they share one slot of the type.
Destination.__setattr__ = object.__setattr__  # type: ignore[method-assign]
Destination.__delattr__ = object.__delattr__  # type: ignore[method-assign]


class RouteTable:
    """All rows, and the neighbours that their routes are indexed by."""

    __slots__ = ("addresses", "by_address", "costs", "dying", "own", "rows", "slots", "suspected", "up")

    def __init__(self, node: bytes, announcement: Announcement, now: float) -> None:
        own = Destination(node, announcement, distance(announcement.sequence, 0), now, [], selected=OURSELVES, metric=0)
        self.own = own
        self.rows: dict[bytes, Destination] = {own.node: own}
        self.slots: list[Neighbour | None] = []
        self.by_address: dict[bytes, Neighbour] = {}
        self.costs: list[int] = []  # by slot; INFINITY where the neighbour is down or suspected
        self.addresses: list[bytes] = []  # by slot
        self.up = 0  # bits of the neighbours
        self.suspected = 0  # bits of the suspected ones
        self.dying: dict[Destination, float] = {}  # rows that nobody holds from us, since when; in that order

    def add_neighbour(self, address: bytes, cost: int, now: float) -> Neighbour:
        """Gives a neighbour the lowest free slot; its routes cost INFINITY until a cost is set."""
        if None in self.slots:
            slot = self.slots.index(None)
        else:
            slot = len(self.slots)
            self.slots.append(None)
            self.costs.append(INFINITY)
            self.addresses.append(address)
            for row in self.rows.values():
                row.routes.append(UNKNOWN)
        neighbour = Neighbour(address, slot, cost, now)
        self.slots[slot] = neighbour
        self.addresses[slot] = address
        self.by_address[address] = neighbour
        self.up |= neighbour.bit
        return neighbour

    def remove_neighbour(self, neighbour: Neighbour) -> None:
        """Frees the slot of a neighbour whose routes the caller has cleared."""
        self.slots[neighbour.slot] = None
        self.costs[neighbour.slot] = INFINITY
        self.up &= ~neighbour.bit
        self.suspected &= ~neighbour.bit
        del self.by_address[neighbour.address]

    def add_row(self, node: bytes, announcement: Announcement, advanced: float) -> Destination | None:
        """Makes the row of a node whose announcement is verified; None when the table is full."""
        if len(self.rows) >= DESTINATIONS:
            return None
        # Nodes that began in the same second share a sequence: one integer for all of them is that much less to touch.
        is_ours = announcement.sequence == self.own.announcement.sequence
        floor = self.own.floor if is_ours else distance(announcement.sequence, 0)
        row = Destination(node, announcement, floor, advanced, [UNKNOWN] * len(self.slots))
        self.rows[node] = row
        return row

    def neighbour_at(self, slot: int) -> Neighbour:
        """Returns the neighbour in a slot that is known to be taken."""
        neighbour = self.slots[slot]
        assert neighbour is not None
        return neighbour

    def note_unheld(self, row: Destination, now: float) -> None:
        """Starts the end of a row's source entry if no neighbour holds our route any more."""
        if (
            not row.holders
            and row is not self.own
            and (row.feasibility_distance != NO_SOURCE or row.metric == INFINITY)
        ):
            self.dying.pop(row, None)
            self.dying[row] = now
