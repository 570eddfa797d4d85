"""Work on all rows: a part at once, the others when they are due, each row once."""

from math import inf

import pytest

from mycelium.routing.destination import Destination
from mycelium.routing.selection import Selection
from mycelium.routing.sweeps import Sweeps
from mycelium.routing.table import RouteTable
from tests.routing.engines import address, announcement
from tests.routing.lab import RoutingLab, update

ROWS = 7
AT_ONCE = 3
SLOT = 0


class Swept:
    """Sweeps over a table, and which rows they came to when."""

    def __init__(self) -> None:
        self.table = RouteTable(address(0), announcement(0, 5), now=0.0)
        for name in range(1, ROWS):
            self.table.add_row(address(name), announcement(name, 5), 0.0)
        self.sweeps = Sweeps(self.table)
        self.seen: list[tuple[int, float]] = []
        self.ended = 0

    def work(self, rows: list[Destination], *, now: float) -> None:
        self.seen += [(int.from_bytes(row.node[2:8], "big"), now) for row in rows]

    def start(self, now: float, slot: int = SLOT) -> None:
        self.sweeps.start(slot, self.work, then=self.end, now=now)

    def end(self) -> None:
        self.ended += 1


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> Swept:
    monkeypatch.setattr("mycelium.routing.sweeps.SWEPT_ROWS_AT_ONCE", AT_ONCE)
    return Swept()


def test_a_sweep_comes_to_each_row_once_in_order_and_says_when_it_ends(swept: Swept) -> None:
    swept.start(1.0)
    for now in (2.0, 3.0):
        assert (swept.sweeps.due_at, swept.ended) == (now - 1.0, 0)
        swept.sweeps.handle_timeout(now=now)
    assert swept.seen == [(0, 1.0), (1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0), (5, 2.0), (6, 3.0)]
    assert (swept.sweeps.due_at, swept.ended, swept.sweeps.by_slot) == (inf, 1, {})


def test_a_sweep_takes_the_place_of_one_for_the_same_neighbour(swept: Swept) -> None:
    swept.start(1.0)
    swept.start(1.5)
    for _ in range(3):
        swept.sweeps.handle_timeout(now=2.0)
    assert [name for name, _ in swept.seen] == [0, 1, 2, 0, 1, 2, 3, 4, 5, 6]
    assert swept.ended == 1


def test_sweeps_that_begin_together_share_a_slice_and_end_one_after_the_other(swept: Swept) -> None:
    for slot in range(3):
        swept.start(1.0, slot)
    assert swept.seen == [(0, 1.0), (1, 1.0), (2, 1.0)]
    turns = 0
    while swept.sweeps.by_slot:
        done = len(swept.seen)
        swept.sweeps.handle_timeout(now=1.0)  # time need not go on
        turns += 1
        assert len(swept.seen) - done == AT_ONCE
        assert swept.ended == len(swept.seen) // ROWS
    assert turns == (3 * ROWS - AT_ONCE) // AT_ONCE
    assert [name for name, _ in swept.seen] == [*range(ROWS)] * 3


def test_a_sweep_that_begins_later_has_a_slice_of_its_own(swept: Swept) -> None:
    swept.start(1.0)
    swept.start(1.5, SLOT + 1)
    assert [name for name, _ in swept.seen] == [0, 1, 2, 0, 1, 2]


def test_a_row_that_is_removed_meanwhile_is_left_out(swept: Swept) -> None:
    swept.start(1.0)
    del swept.table.rows[address(4)]
    swept.sweeps.handle_timeout(now=2.0)
    assert [name for name, _ in swept.seen] == [0, 1, 2, 3, 5]


def test_routes_over_a_lost_neighbour_are_left_slice_by_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.routing.sweeps.SWEPT_ROWS_AT_ONCE", AT_ONCE)
    lab = RoutingLab()
    lab.up(1)
    lab.up(2, cost=20)
    for name in (1, 2):
        lab.says(name, *(update(far, 50) for far in range(10, 20)))
    lab.down(1)
    assert [lab.next_hop(far) for far in range(10, 20)].count(2) == AT_ONCE - 1  # the first row is our own
    lab.up(1)
    lab.flush()
    assert {lab.next_hop(far) for far in range(10, 20)} == {2}
    lab.says(1, *(update(far, 50) for far in range(10, 20)))
    assert {lab.next_hop(far) for far in range(10, 20)} == {1}


@pytest.mark.parametrize(("costs", "other"), [((20, 100, 50), 500), ((200, 10, 50), 100)])
def test_a_cost_that_changes_again_before_all_rows_have_followed_counts_for_all(
    costs: tuple[int, ...], other: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mycelium.routing.sweeps.SWEPT_ROWS_AT_ONCE", AT_ONCE)
    lab = RoutingLab()
    first, *changed = costs
    lab.up(1, cost=first)
    lab.up(2, cost=other)
    for name in (1, 2):
        lab.says(name, *(update(far, 50) for far in range(10, 20)))
    lab.flush()
    for cost in changed:
        lab.engine.neighbour_cost(address(1), cost, now=lab.now)
    lab.flush()
    assert {lab.engine.metric(address(far)) for far in range(10, 20)} == {50 + changed[-1]}
    assert {lab.next_hop(far) for far in range(10, 20)} == {1}


def test_a_cost_that_changes_again_is_nothing_to_nodes_that_the_neighbour_told_nothing_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mycelium.routing.sweeps.SWEPT_ROWS_AT_ONCE", AT_ONCE)
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(10, 50), update(11, 50))
    lab.says(2, update(11, 70), *(update(far, 50) for far in range(12, 20)))
    looked_at: list[bytes] = []
    monkeypatch.setattr(Selection, "reselect", lambda _, row, cause, now: looked_at.append(row.node))
    for is_suspected in (True, False):
        lab.engine.neighbour_suspect(address(1), is_suspected, now=lab.now)
    lab.flush()
    assert set(looked_at) == {address(10), address(11)}
