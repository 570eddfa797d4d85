"""What is searched: small meshes, and what may happen to them how often."""

from typing import Final, NamedTuple

from mycelium.routing.destination import NOBODY, Destination
from mycelium.routing.selection import Selection
from mycelium.wire.distance import INFINITY, RETRACTED, metric_of
from tests.prove.explorer import Edge

LINE: Final = {(0, 1): 10, (1, 2): 10}
TRIANGLE: Final = {(0, 1): 10, (1, 2): 10, (0, 2): 25}
KITE: Final = {(0, 1): 10, (1, 2): 10, (2, 3): 10, (0, 3): 10, (0, 2): 25}  # a square with a diagonal
TAIL: Final = {(0, 1): 10, (1, 2): 10, (2, 3): 10, (1, 3): 25}  # node 0 behind one link
HOUSE: Final = {(0, 1): 10, (1, 2): 10, (2, 3): 10, (0, 3): 10, (2, 4): 10, (3, 4): 15}  # a ring of four with a roof


class Search(NamedTuple):
    """One search: links with their costs, bounds, and who lies, if anybody does."""

    name: str
    links: dict[Edge, int]
    bounds: dict[str, int]
    liar: int | None = None


QUICK: Final = (
    Search("triangle, a cut and a mend", TRIANGLE, {"cut": 1, "mend": 1}),
    Search("kite, a cut and a suspicion", KITE, {"cut": 1, "suspect": 1}),
    Search("tail, a cut", TAIL, {"cut": 1}),
    Search("kite, a cost and a route avoided", KITE, {"cost": 1, "avoid": 1}),
    Search("kite with a liar, routes avoided", KITE, {"avoid": 2}, liar=1),
    Search("triangle, a restart", TRIANGLE, {"restart": 1}),
)
DEEP: Final = (
    *QUICK,
    Search("kite, a cut and a mend", KITE, {"cut": 1, "mend": 1}),
    Search("kite, two cuts", KITE, {"cut": 2}),
    Search("kite, a restart", KITE, {"restart": 1}),
    Search("tail, two cuts and a mend", TAIL, {"cut": 2, "mend": 1}),
    Search("kite with a liar, a cut and a route avoided", KITE, {"cut": 1, "avoid": 1}, liar=3),
    Search("line, two cuts, two mends and a suspicion", LINE, {"cut": 2, "mend": 2, "suspect": 1}),
    Search("house, a cut", HOUSE, {"cut": 1}),
    Search("house, a cost and a suspicion", HOUSE, {"cost": 1, "suspect": 1}),
    Search("house with a liar, a cut", HOUSE, {"cut": 1}, liar=4),
    Search("house, a cut and a mend", HOUSE, {"cut": 1, "mend": 1}),
)


def careless(self: Selection, row: Destination, cause: str, *, now: float) -> None:
    """In place of `Selection.reselect`: selects without feasibility, which a search must find out."""
    found = [(metric_of(route) + self._table.costs[slot], slot) for slot, route in enumerate(row.routes)]
    best, slot = min((one for one in found if row.routes[one[1]] < RETRACTED), default=(INFINITY, NOBODY))
    if (slot, best) != (row.selected, row.metric):
        self.choose(row, slot, best, cause, now=now)
