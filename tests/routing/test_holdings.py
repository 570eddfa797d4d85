"""What neighbours hold, and the digests that follow it: the same as if all rows were read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.limits import STATES_REMEMBERED
from mycelium.routing.destination import Destination
from mycelium.routing.digest import digest_of, share_of
from mycelium.routing.holdings import Holdings
from mycelium.routing.table import RouteTable
from mycelium.timing import Backoff
from mycelium.wire.distance import distance
from tests.routing.engines import address, announcement

NEIGHBOURS = 3
ROWS = 4
STEPS = st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(0, (1 << NEIGHBOURS) - 1), st.integers(0, 9)))


def table_of(neighbours: int) -> tuple[RouteTable, Holdings]:
    table = RouteTable(address(0), announcement(0, 1), now=0.0)
    holdings = Holdings(table)
    for name in range(1, neighbours + 1):
        holdings.begin(table.add_neighbour(address(name), 10, resync=Backoff(1.0, factor=2.0), now=0.0))
    return table, holdings


def held_by(table: RouteTable, bit: int) -> int:
    return sum(share_of(row.node, row.advertised) for row in table.rows.values() if row.holders & bit)


def row_of(table: RouteTable, name: int) -> Destination:
    row = table.add_row(address(name), announcement(name, 1), 0.0)
    assert row is not None
    row.advertised = distance(1, 0)
    return row


@given(STEPS, st.integers(0, 5))
def test_digests_follow_whatever_rows_are_told_and_retracted_before_and_after_the_first_is_wanted(
    steps: list[tuple[int, int, int]], first: int
) -> None:
    table, holdings = table_of(NEIGHBOURS)
    rows = [row_of(table, 10 + number) for number in range(ROWS)]
    for step, (number, holders, metric) in enumerate(steps):
        holdings.advertise(rows[number], distance(1, metric))
        holdings.hold(rows[number], holders)
        for neighbour in table.by_address.values() if step >= first else ():
            assert holdings.digest(neighbour) == digest_of(held_by(table, neighbour.bit))


def test_a_neighbour_that_is_down_lets_go_of_rows_without_a_change_of_any_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    table, holdings = table_of(NEIGHBOURS)
    row, (lost, *others) = row_of(table, 10), table.by_address.values()
    holdings.hold(row, table.up)
    before = [holdings.digest(neighbour) for neighbour in others]
    table.part_with(lost)
    monkeypatch.setattr("mycelium.routing.holdings.share_of", None)  # which is not called
    holdings.hold(row, row.holders & ~lost.bit)
    assert [holdings.digest(neighbour) for neighbour in others] == before
    assert row.holders == table.up


def test_a_new_neighbour_holds_nothing() -> None:
    table, holdings = table_of(1)
    holdings.hold(row_of(table, 10), 1)
    late = table.add_neighbour(address(9), 10, resync=Backoff(1.0, factor=2.0), now=0.0)
    holdings.begin(late)
    assert holdings.digest(late) == digest_of(0)


def test_states_that_a_neighbour_may_be_in_are_those_since_it_acknowledged_all() -> None:
    table, holdings = table_of(1)
    [neighbour] = table.by_address.values()
    rows = [row_of(table, 10 + number) for number in range(STATES_REMEMBERED + 3)]
    states = [holdings.digest(neighbour)]
    for batch, row in enumerate(rows, 1):
        holdings.hold(row, neighbour.bit)
        holdings.post(neighbour, batch, has_all=batch == 2)
        states.append(holdings.digest(neighbour))
    assert neighbour.sure_in == 1, "all up to the batch before"
    assert holdings.digests(neighbour) == (*states[1:STATES_REMEMBERED], states[-1]), "the oldest, and the newest"
    holdings.post(neighbour, len(rows) + 1, has_all=True)
    assert holdings.digests(neighbour) == (states[-1],)


def test_what_was_held_when_doubts_came_is_a_state_although_nobody_wanted_a_digest_before() -> None:
    table, holdings = table_of(2)
    neighbour, _ = table.by_address.values()
    row = row_of(table, 10)
    holdings.hold(row, table.up)
    holdings.post(neighbour, 1, has_all=True)
    assert neighbour.sums == []
    holdings.doubt()
    held = digest_of(held_by(table, neighbour.bit))
    holdings.hold(row, 0)
    holdings.post(neighbour, 2, has_all=False)
    assert holdings.digests(neighbour)[0] == held
