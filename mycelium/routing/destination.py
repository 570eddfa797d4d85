"""The row of one node: its source entry, its routes, and which neighbours were told (RFC 8966 sections 3.2.5 and 3.2.6).

The routes are a list indexed by the neighbours' slots, each a packed integer (`distance`), unfeasible and retracted ones
included, so a route costs 8 bytes and its integer.

Invariants: `metric` is INFINITY exactly when `selected` is NOBODY; a selected route is finite, and was feasible when it was
selected; a neighbour outside `holders` holds no finite route of ours; one in `current` holds `advertised`.
"""

from typing import Final

from msgspec import Struct

from mycelium.wire.announcement import Announcement
from mycelium.wire.distance import INFINITY, METRIC_MASK, NO_SOURCE, RETRACTED, UNKNOWN, distance, sequence_of

# Values of `selected` that are no neighbour's slot.
NOBODY: Final = -1  # no route is selected
OURSELVES: Final = -2  # the row of this node itself

# What is queued for all neighbours.
SETTLED: Final = 0  # nothing
LAZY: Final = 1  # only the sequence has changed since it was advertised, or the route changes all the time
DIRTY: Final = 2  # the route has changed


class Destination(Struct, eq=False, gc=False):
    """One row of the route table and of the source table."""

    node: bytes
    announcement: Announcement  # the newest verified one
    floor: int  # the distance of its sequence with metric 0
    advanced: float  # when its sequence was first seen
    routes: list[int]  # what each neighbour advertises
    older: tuple[Announcement, ...] = ()  # verified ones whose sequence some route still carries
    feasibility_distance: int = NO_SOURCE
    selected: int = NOBODY
    chosen_at: float = 0.0  # when `selected` last changed
    metric: int = INFINITY
    advertised: int = UNKNOWN  # the distance we last advertised
    holders: int = 0  # bits of neighbours that hold a finite advertisement of ours
    current: int = 0  # those of them that hold `advertised`
    announced: int = 0  # bits of neighbours that were sent the announcement of `advertised`
    queued: int = SETTLED
    avoided: int = 0  # bits of neighbours whose route counts as longer, since what took it did not arrive
    near: bool = False  # has a place in the scope, while some rows are out of it
    shared: bool = False  # has one of those places that neighbours share
    told_in: int = 0  # the batch in which any neighbour was told of it last

    @property
    def sequence(self) -> int:
        """The newest verified sequence."""
        return self.announcement.sequence

    def announcement_of(self, packed: int) -> Announcement | None:
        """Returns the verified announcement that carries the sequence of a distance, None if there is none any more."""
        if 0 <= packed - self.floor <= METRIC_MASK:
            return self.announcement
        sequence = sequence_of(packed)
        return next((older for older in self.older if older.sequence == sequence), None)

    def learn(self, announcement: Announcement, *, now: float) -> None:
        """Stores a verified announcement; older ones stay while a route or our advertisement carries their sequence."""
        used = {sequence_of(route) for route in (*self.routes, self.advertised) if route != UNKNOWN}
        is_older = announcement.sequence < self.sequence
        kept = self.older if is_older else (self.announcement, *self.older)
        self.older = tuple(one for one in kept if one.sequence in used)
        if is_older:
            self.older = (announcement, *self.older)
            return
        self.announcement = announcement
        self.floor = distance(announcement.sequence, 0)
        self.advanced = now

    def uninformed(self, neighbours: int) -> int:
        """Returns those of the neighbours (bits) that do not advertise the sequence themselves, and so may not know it."""
        routes = self.routes
        if routes.count(UNKNOWN) == len(routes) - (self.selected >= 0):
            return neighbours  # only the next hop has advertised a route
        newest = self.advertised | METRIC_MASK
        oldest = newest - METRIC_MASK
        for slot, route in enumerate(routes):
            if newest >= route >= oldest:
                neighbours &= ~(1 << slot)
        return neighbours

    def has_routes(self) -> bool:
        """Tells whether any neighbour advertises a finite route, feasible or not."""
        return any(route < RETRACTED for route in self.routes)


# Attribute assignment of a Struct informs the garbage collector, which does not track rows (gc=False), and takes three times
# as long as a plain one. Assignment and deletion share one slot of the type, so both are replaced.
Destination.__setattr__ = object.__setattr__  # type: ignore[method-assign]
Destination.__delattr__ = object.__delattr__  # type: ignore[method-assign]
