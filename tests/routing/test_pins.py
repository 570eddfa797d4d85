"""Pins: who has pinned what here, and whom that is told."""

import pytest

from mycelium.limits import LINKS, NEIGHBOURS
from mycelium.routing.neighbour import Neighbour
from mycelium.routing.pins import OWN, Pins
from mycelium.routing.table import RouteTable
from mycelium.routing.waypoints import OF_SESSIONS
from mycelium.timing import Backoff
from mycelium.wire.control import Item, Pin
from tests.routing.engines import address, announcement, home_record

NODE, HOME, OTHER = address(30), address(40), address(41)


@pytest.fixture
def table() -> RouteTable:
    """Node 0 with three neighbours; neighbour 2 is the next hop to both homes."""
    table = RouteTable(address(0), announcement(0, 5), now=0.0)
    for name in (1, 2, 3):
        table.add_neighbour(address(name), 10, resync=Backoff(1.0, factor=2.0), now=0.0)
    for home in (40, 41):
        row = table.add_row(address(home), announcement(home, 5), 0.0)
        assert row is not None
        row.selected = 1
    return table


def neighbour(table: RouteTable, name: int) -> Neighbour:
    return table.by_address[address(name)]


def said(table: RouteTable, name: int) -> list[Item]:
    """Returns what a neighbour is to be told, and takes it."""
    items = list(neighbour(table, name).requests)
    neighbour(table, name).requests.clear()
    return items


def test_a_pin_is_passed_on_once_towards_the_home(table: RouteTable) -> None:
    pins = Pins()
    pins.pin(NODE, HOME, neighbour(table, 1).bit)
    assert pins.follow(table) == [NODE]
    assert said(table, 2) == [Pin(NODE, HOME, is_pinned=True)]
    pins.pin(NODE, HOME, neighbour(table, 3).bit)
    assert (pins.follow(table), said(table, 2)) == ([], [])
    assert pins.told(NODE) == neighbour(table, 2).bit


def test_a_pin_ends_when_the_last_who_wanted_it_does_not(table: RouteTable) -> None:
    pins = Pins()
    for name in (1, 3):
        pins.pin(NODE, HOME, neighbour(table, name).bit)
    pins.follow(table)
    said(table, 2)
    pins.unpin(NODE, HOME, neighbour(table, 1).bit)
    assert (pins.follow(table), said(table, 2), len(pins)) == ([], [], 1)
    pins.unpin(NODE, HOME, neighbour(table, 3).bit)
    assert (pins.follow(table), said(table, 2), len(pins)) == ([NODE], [Pin(NODE, HOME, is_pinned=False)], 0)
    assert pins.told(NODE) == 0


def test_pins_of_one_node_towards_two_homes_are_apart(table: RouteTable) -> None:
    pins = Pins()
    pins.pin(NODE, HOME, OWN)
    pins.pin(NODE, OTHER, OWN)
    pins.unpin(NODE, HOME, OWN)
    pins.follow(table)
    assert said(table, 2) == [Pin(NODE, OTHER, is_pinned=True)]
    assert list(pins.by_node[NODE]) == [OTHER]


def test_a_pin_waits_for_a_way_to_the_home_and_ends_there(table: RouteTable) -> None:
    pins = Pins()
    pins.pin(NODE, address(50), OWN)
    assert (pins.follow(table), pins.told(NODE), len(pins)) == ([], 0, 1)


def test_a_newer_record_follows_the_pins_of_its_node(table: RouteTable) -> None:
    pins = Pins()
    first, second = home_record(30, 1, HOME, OTHER), home_record(30, 2, HOME, OTHER)
    pins.pin(NODE, HOME, OWN)
    pins.pin(NODE, OTHER, OWN)
    pins.learn(NODE, first)
    pins.follow(table)
    assert said(table, 2) == [Pin(NODE, HOME, True, first), Pin(NODE, OTHER, True, first)]
    pins.learn(NODE, second)
    assert pins.follow(table) == []
    assert said(table, 2) == [Pin(NODE, HOME, True, second), Pin(NODE, OTHER, True, second)]
    for home in (HOME, OTHER):
        pins.unpin(NODE, home, OWN)
    pins.follow(table)
    assert pins.records == {}


def test_what_a_lost_neighbour_pinned_or_was_told_is_forgotten(table: RouteTable) -> None:
    pins = Pins()
    pins.pin(NODE, HOME, neighbour(table, 1).bit)
    pins.follow(table)
    pins.forget_neighbour(neighbour(table, 2))
    assert pins.told(NODE) == 0
    table.rows[HOME].selected = 2
    assert pins.follow(table) == [NODE]
    assert said(table, 3) == [Pin(NODE, HOME, is_pinned=True)]
    pins.forget_neighbour(neighbour(table, 1))
    pins.follow(table)
    assert len(pins) == 0


def test_a_neighbour_has_a_share_of_the_pins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.routing.pins.PINS_PER_NEIGHBOUR", 2)
    monkeypatch.setattr("mycelium.routing.pins.PINS", 3)
    pins = Pins()
    assert [pins.pin(address(name), HOME, 1) for name in (10, 11, 12)] == [True, True, False]
    assert pins.pin(address(10), HOME, 1)  # it has that one
    assert [pins.pin(address(name), HOME, 2) for name in (20, 21)] == [True, False]
    assert pins.pin(NODE, HOME, OWN)
    pins.unpin(address(10), HOME, 1)
    pins.follow(RouteTable(address(0), announcement(0, 5), now=0.0))
    assert not pins.pin(address(12), HOME, 1)  # all have too many
    pins.unpin(address(20), HOME, 2)
    pins.follow(RouteTable(address(0), announcement(0, 5), now=0.0))
    assert pins.pin(address(12), HOME, 1)


def test_pins_of_this_node_are_no_neighbours_however_many_there_are(table: RouteTable) -> None:
    for name in range(100, 100 + NEIGHBOURS):
        table.add_neighbour(address(name), 10, resync=Backoff(1.0, factor=2.0), now=0.0)
    assert not table.up & (OWN | OF_SESSIONS)
    pins = Pins()
    pins.pin(NODE, HOME, 1 << LINKS)
    pins.pin(OTHER, HOME, 2 << LINKS)
    pins.follow(table)
    assert not pins.taken_back(NODE, HOME, neighbour(table, 2), table)
    assert pins.full == {}


def test_who_has_no_room_for_a_pin_is_asked_no_more_and_that_goes_back_to_who_pinned(table: RouteTable) -> None:
    pins = Pins()
    pins.pin(NODE, HOME, neighbour(table, 1).bit)
    pins.follow(table)
    said(table, 2)
    assert not pins.taken_back(NODE, HOME, neighbour(table, 2), table)
    assert said(table, 1) == [Pin(NODE, HOME, is_pinned=False)]
    pins.follow(table)
    assert (said(table, 2), len(pins), pins.told(NODE)) == ([], 0, 0)


def test_a_node_learns_that_there_is_no_room_at_its_home(table: RouteTable) -> None:
    pins = Pins()
    pins.pin(NODE, HOME, OWN)
    pins.follow(table)
    said(table, 2)
    assert pins.taken_back(NODE, HOME, neighbour(table, 2), table)
    assert list(pins.full) == [HOME]
    pins.stale[HOME] = None
    pins.follow(table)
    assert said(table, 2) == [], "it is not asked again"
    table.rows[HOME].selected = 2
    pins.stale[HOME] = None
    pins.follow(table)
    assert said(table, 3) == [Pin(NODE, HOME, is_pinned=True)], "another one may have room"


def test_a_neighbour_that_was_full_and_is_back_is_asked_again(table: RouteTable) -> None:
    pins = Pins()
    pins.pin(NODE, HOME, OWN)
    pins.follow(table)
    pins.taken_back(NODE, HOME, neighbour(table, 2), table)
    said(table, 2)
    pins.forget_neighbour(neighbour(table, 2))
    pins.follow(table)
    assert said(table, 2) == [Pin(NODE, HOME, is_pinned=True)]


def test_a_neighbour_that_takes_back_its_own_pin_says_nothing_of_ours(table: RouteTable) -> None:
    pins = Pins()
    for bit in (OWN, neighbour(table, 2).bit):
        pins.pin(NODE, HOME, bit)  # the way to the home led over this node a moment ago
    pins.follow(table)
    said(table, 2)
    assert not pins.taken_back(NODE, HOME, neighbour(table, 2), table)
    assert (pins.told(NODE), pins.full) == (neighbour(table, 2).bit, {})
