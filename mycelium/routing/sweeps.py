"""Work on all rows of a table, in slices: between two of them the node forwards packets and answers its neighbours."""

from collections.abc import Callable
from math import inf
from typing import NamedTuple, Protocol

from mycelium.limits import SWEPT_ROWS_AT_ONCE
from mycelium.routing.destination import Destination
from mycelium.routing.table import RouteTable


class Work(Protocol):
    """Does something to some rows."""

    def __call__(self, rows: list[Destination], *, now: float) -> None: ...


class Sweep(NamedTuple):
    """Work that goes on; the next row is the last one."""

    rows: list[Destination]
    work: Work
    then: Callable[[], None]


class Sweeps:
    """All sweeps, at most one for each slot, which share the rows that are looked at in one go.

    The first slice is done at once unless others have used up that, as where many links are lost together; the rest is done
    when it is due.
    """

    __slots__ = ("_room", "_since", "_table", "by_slot", "due_at")

    def __init__(self, table: RouteTable) -> None:
        self._table = table
        self._since = -inf  # when there was room for a whole slice
        self._room = 0  # rows that may be looked at before time goes on, or the next call of `handle_timeout`
        self.by_slot: dict[int, Sweep] = {}
        self.due_at = inf

    def start(self, slot: int, work: Work, *, then: Callable[[], None] = lambda: None, now: float) -> None:
        """Begins to do what is to be done to all rows because of a neighbour, in place of what went on because of it."""
        if now > self._since:
            self._since, self._room = now, SWEPT_ROWS_AT_ONCE
        self.by_slot[slot] = Sweep([*reversed(self._table.rows.values())], work, then)
        self._advance(slot, now=now)

    def handle_timeout(self, *, now: float) -> None:
        """Does the next slice, of those sweeps first that have been under way longest."""
        if now >= self.due_at:
            self._since, self._room = now, SWEPT_ROWS_AT_ONCE
            for slot in list(self.by_slot):
                self._advance(slot, now=now)

    def _advance(self, slot: int, *, now: float) -> None:
        rows, work, then = self.by_slot[slot]
        if self._room:
            portion = rows[: -self._room - 1 : -1]
            del rows[-self._room :]
            self._room -= len(portion)
            known = self._table.rows
            work([row for row in portion if known.get(row.node) is row], now=now)
        if not rows:
            del self.by_slot[slot]
            then()
        self.due_at = now if self.by_slot else inf
