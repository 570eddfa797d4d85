import pytest

from mycelium.routing import table as table_module
from mycelium.routing.neighbour import Neighbour
from mycelium.routing.table import RouteTable
from mycelium.timing import Backoff
from mycelium.wire.distance import INFINITY, UNKNOWN, distance
from tests.routing.engines import address, announcement


@pytest.fixture
def table() -> RouteTable:
    return RouteTable(address(0), announcement(0, 5), now=0.0)


def join(table: RouteTable, name: int) -> Neighbour:
    return table.add_neighbour(address(name), 10, resync=Backoff(1.0, factor=2.0), now=0.0)


def test_a_table_starts_with_the_row_of_its_own_node(table: RouteTable) -> None:
    assert table.rows == {address(0): table.own}
    assert (table.own.metric, table.own.floor) == (0, distance(5, 0))


def test_a_new_neighbour_gets_the_lowest_free_slot_and_every_row_a_place_for_its_route(table: RouteTable) -> None:
    table.add_row(address(9), announcement(9, 5), 0.0)
    first, second, _ = (join(table, name) for name in (1, 2, 3))
    table.part_with(second)
    table.free(second)
    again = join(table, 4)
    assert (first.slot, again.slot, again.bit) == (0, 1, 0b10)
    assert table.addresses == [address(1), address(4), address(3)]
    assert [len(row.routes) for row in table.rows.values()] == [3, 3]
    assert table.up == 0b111


def test_a_removed_neighbour_leaves_no_trace_in_what_names_slots(table: RouteTable) -> None:
    neighbour = join(table, 1)
    table.costs[0] = 10
    table.suspected = neighbour.bit
    table.part_with(neighbour)
    assert (table.by_address, table.slots, table.costs) == ({}, [neighbour], [INFINITY])
    table.free(neighbour)
    assert table.slots == [None]
    assert (table.up, table.suspected) == (0, 0)


def test_neighbours_are_found_by_their_bits_as_far_as_they_are_up(table: RouteTable) -> None:
    first, second, third = (join(table, name) for name in (1, 2, 3))
    assert table.neighbours_in(0) == ()
    assert table.neighbours_in(second.bit) == (second,)
    table.part_with(first)
    table.free(first)
    fourth = join(table, 4)
    assert [*table.neighbours_in(-1)] == [second, third, fourth]
    table.part_with(third)
    assert [*table.neighbours_in(third.bit | second.bit)] == [second]
    assert table.neighbours_in(third.bit) == ()


def test_a_new_row_has_an_unknown_route_for_each_slot(table: RouteTable) -> None:
    join(table, 1)
    join(table, 2)
    row = table.add_row(address(9), announcement(9, 7), 3.0)
    assert row is not None
    assert (row.routes, row.floor, row.advanced, row.metric) == ([UNKNOWN] * 2, distance(7, 0), 3.0, INFINITY)


def test_a_full_table_takes_no_row(table: RouteTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "DESTINATIONS", 2)
    assert table.add_row(address(8), announcement(8, 5), 0.0) is not None
    assert table.add_row(address(9), announcement(9, 5), 0.0) is None


def test_a_row_that_nobody_holds_from_us_is_dying_since_it_was_noted_last(table: RouteTable) -> None:
    row, other = (table.add_row(address(name), announcement(name, 5), 0.0) for name in (8, 9))
    assert row is not None
    assert other is not None
    table.note_unheld(row, now=1.0)
    table.note_unheld(other, now=2.0)
    table.note_unheld(row, now=3.0)
    assert list(table.dying.items()) == [(other, 2.0), (row, 3.0)]


def test_neither_our_own_row_dies_nor_one_that_a_neighbour_holds_nor_one_in_use_without_a_source(
    table: RouteTable,
) -> None:
    held, used = (table.add_row(address(name), announcement(name, 5), 0.0) for name in (8, 9))
    assert held is not None
    assert used is not None
    held.holders = 1
    used.metric = 50
    for row in (table.own, held, used):
        table.note_unheld(row, now=1.0)
    assert table.dying == {}


def test_a_renamed_neighbour_keeps_its_slot(table: RouteTable) -> None:
    one, other = join(table, 1), join(table, 2)
    table.part_with(one)
    table.free(one)
    table.rename_neighbour(other, address(1))
    assert table.by_address == {address(1): other}
    assert (other.address, table.addresses[other.slot]) == (address(1), address(1))
