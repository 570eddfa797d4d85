"""The route table (RFC 8966 sections 3.2.5 and 3.2.6): a row per node, and the neighbours that its routes are indexed by.

There are no timers per route: reliable streams keep the neighbours' tables in step, and a neighbour's routes end with its
stream.
"""

from collections.abc import Sequence
from typing import Final

from mycelium.limits import DESTINATIONS, NEIGHBOURS
from mycelium.routing.budgets import BudgetTable
from mycelium.routing.destination import OURSELVES, Destination
from mycelium.routing.digest import share_of
from mycelium.routing.neighbour import DAMPED_COST, Neighbour, node_of
from mycelium.timing import Backoff
from mycelium.wire.announcement import Announcement
from mycelium.wire.distance import INFINITY, NO_SOURCE, RETRACTED, UNKNOWN, distance

# more than there are slots: of all neighbours, of their second links, and of as many lost neighbours
SLOTS: Final = 4 * NEIGHBOURS


class RouteTable:
    """All rows and all neighbours of this node."""

    __slots__ = ("addresses", "budgets", "by_address", "costs", "dying", "own", "rows", "slots", "suspected", "up")

    def __init__(self, node: bytes, announcement: Announcement, *, now: float) -> None:
        own = Destination(node, announcement, distance(announcement.sequence, 0), now, [], selected=OURSELVES, metric=0)
        self.own = own
        self.rows: dict[bytes, Destination] = {own.node: own}
        self.slots: list[Neighbour | None] = []
        self.by_address: dict[bytes, Neighbour] = {}
        self.budgets = BudgetTable()
        self.costs: list[int] = []  # by slot; INFINITY where the neighbour is down or suspected
        self.addresses: list[bytes] = []  # by slot
        self.up = 0  # bit set of the slots whose neighbours are up
        self.suspected = 0  # bit set of the slots whose neighbours are suspected
        self.dying: dict[Destination, float] = {}  # rows that no neighbour holds from us, since when; oldest first

    def add_neighbour(self, address: bytes, cost: int, *, resync: Backoff, now: float) -> Neighbour:
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
        neighbour = Neighbour(
            address, slot, cost, budgets=self.budgets.of(node_of(address), now=now), resync=resync, now=now
        )
        self.slots[slot] = neighbour
        self.addresses[slot] = address
        self.by_address[address] = neighbour
        self.up |= neighbour.bit
        return neighbour

    def rename_neighbour(self, neighbour: Neighbour, address: bytes) -> None:
        """Gives a neighbour the address of one that was removed."""
        del self.by_address[neighbour.address]
        neighbour.address = self.addresses[neighbour.slot] = address
        self.by_address[address] = neighbour

    def part_with(self, neighbour: Neighbour) -> None:
        """Ends the use of a lost neighbour; its slot stays taken until its routes are cleared."""
        self.costs[neighbour.slot] = INFINITY
        self.up &= ~neighbour.bit
        self.suspected &= ~neighbour.bit
        del self.by_address[neighbour.address]

    def free(self, neighbour: Neighbour) -> None:
        """Frees the slot of a lost neighbour whose routes are cleared."""
        self.slots[neighbour.slot] = None

    def add_row(self, node: bytes, announcement: Announcement, advanced: float) -> Destination | None:
        """Adds the row of a node whose announcement is verified; returns None if the table is full."""
        if len(self.rows) >= DESTINATIONS:
            return None
        # Nodes that started in the same second share a sequence: one integer object for all of them saves cache misses.
        is_ours = announcement.sequence == self.own.announcement.sequence
        floor = self.own.floor if is_ours else distance(announcement.sequence, 0)
        row = Destination(node, announcement, floor, advanced, [UNKNOWN] * len(self.slots))
        self.rows[node] = row
        return row

    def neighbour_at(self, slot: int) -> Neighbour:
        """Returns the neighbour in an occupied slot."""
        neighbour = self.slots[slot]
        assert neighbour is not None
        return neighbour

    def received_from(self, neighbour: Neighbour) -> int:
        """Returns the sum of the finite routes that a neighbour advertises (`digest.py`).

        It is begun when it is wanted first, as those of `holdings.py` are: at a cold start each route changes several times.
        """
        if neighbour.received is None:
            slot = neighbour.slot
            told = ((row.node, row.routes[slot]) for row in self.rows.values())
            neighbour.received = sum(share_of(node, route) for node, route in told if route < RETRACTED)
        return neighbour.received

    def neighbours_in(self, bits: int) -> Sequence[Neighbour]:
        """Returns those of some neighbours (bits) that are up, in the order in which they came."""
        bits &= self.up
        if not bits & (bits - 1):  # at most one
            return (self.neighbour_at(bits.bit_length() - 1),) if bits else ()
        return [neighbour for neighbour in self.by_address.values() if bits & neighbour.bit]

    def cost_to(self, row: Destination, slot: int) -> int:
        """Returns what a neighbour's route to a node costs beyond the metric that the neighbour advertises."""
        cost = self.costs[slot]
        return min(cost + DAMPED_COST, INFINITY) if row.avoided >> slot & 1 else cost

    def note_unheld(self, row: Destination, *, now: float) -> None:
        """Starts the timeout of a row's source entry if no neighbour holds our route any more."""
        if (
            not row.holders
            and row is not self.own
            and (row.feasibility_distance != NO_SOURCE or row.metric == INFINITY)
        ):
            self.dying.pop(row, None)
            self.dying[row] = now
