"""One neighbour that makes up nodes fills no table to the brim: those that others bring find room."""

import pytest

from mycelium.limits import EVICTED_AT_ONCE
from mycelium.routing.excess import SHARE
from mycelium.routing.shares import OVER_SHARE_S, ROOM
from mycelium.wire.control import Update
from mycelium.wire.distance import INFINITY
from tests.routing.engines import address
from tests.routing.lab import RoutingLab, update

ROWS = 3_200
LIAR, HONEST, OTHER = 1, 2, 3
MADE_UP = 10_000
HONEST_NODES = range(100, 200)


@pytest.fixture(autouse=True)
def small_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.routing.table.DESTINATIONS", ROWS)
    monkeypatch.setattr("mycelium.routing.shares.DESTINATIONS", ROWS)
    monkeypatch.setattr("mycelium.routing.shares.ROOM", ROWS // 16)
    monkeypatch.setattr("mycelium.routing.shares.EVICTED_AT_ONCE", 50)


def flooded(lab: RoutingLab) -> RoutingLab:
    """Two honest neighbours tell of some nodes, a third one of twice as many as the table holds."""
    lab.up(LIAR, HONEST, OTHER)
    lab.says(HONEST, *(update(name, 5) for name in HONEST_NODES))
    for name in range(MADE_UP, MADE_UP + 2 * ROWS, 100):
        lab.says(LIAR, *(update(one, 5) for one in range(name, name + 100)))
        lab.wait(0.1)
    return lab


def test_the_constants_leave_room() -> None:
    assert ROOM >= 2 * EVICTED_AT_ONCE


def test_a_newcomer_is_known_at_once_beside_made_up_nodes() -> None:
    lab = flooded(RoutingLab())
    lab.says(OTHER, *(update(name, 5) for name in range(200, 260)))
    assert [lab.next_hop(name) for name in range(200, 260)] == [OTHER] * 60
    assert [lab.next_hop(name) for name in HONEST_NODES] == [HONEST] * 100
    assert lab.count("over_share") > 0
    assert lab.engine.excesses.take() == [(address(LIAR), SHARE)]
    assert lab.count("table_full") == 0


def test_more_newcomers_than_there_is_room_for_push_made_up_nodes_out() -> None:
    lab = flooded(RoutingLab())
    for name in range(200, 200 + ROWS // 4, 10):
        lab.says(OTHER, *(update(one, 5) for one in range(name, name + 10)))
        lab.wait(0.1)
    assert [lab.next_hop(name) for name in range(200, 200 + ROWS // 4)] == [OTHER] * (ROWS // 4)
    assert lab.count("rows_evicted") > ROWS // 8


def test_the_evicted_are_retracted() -> None:
    lab = flooded(RoutingLab())
    told: dict[bytes, Update] = {}
    for name in range(200, 200 + ROWS // 4, 10):
        lab.says(OTHER, *(update(one, 5) for one in range(name, name + 10)))
        told |= {item.node: item for item in lab.wait(0.1).get(HONEST, []) if isinstance(item, Update)}
    known = set(lab.engine.nodes())
    gone = [
        address(name) for name in range(MADE_UP, MADE_UP + ROWS) if address(name) not in known and address(name) in told
    ]
    assert gone
    assert all(told[node].metric == INFINITY for node in gone)


def test_neighbours_nodes_that_are_talked_to_and_nodes_that_two_bring_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = RoutingLab()
    talked_to = range(MADE_UP + 2_000, MADE_UP + 2_100)
    monkeypatch.setattr(lab.engine._acquisition._shares, "_keeps", {address(name) for name in talked_to}.__contains__)
    flooded(lab)
    both = range(MADE_UP + 1_000, MADE_UP + 1_100)
    lab.says(HONEST, *(update(name, 900) for name in both))
    for name in range(200, 200 + ROWS // 4, 10):
        lab.says(OTHER, *(update(one, 5) for one in range(name, name + 10)))
        lab.wait(0.1)
    known = set(lab.engine.nodes())
    assert known >= {address(name) for name in (*talked_to, *both)}


def test_the_liar_may_bring_nodes_again_after_a_while() -> None:
    lab = flooded(RoutingLab())
    lab.says(LIAR, update(50, 5))
    assert lab.next_hop(50) is None
    lab.wait(OVER_SHARE_S)
    lab.says(LIAR, update(50, 5))
    assert lab.next_hop(50) == LIAR


def test_nodes_that_are_lost_make_room_first() -> None:
    lab = RoutingLab()
    lab.up(LIAR)
    for name in range(MADE_UP, MADE_UP + ROWS, 100):
        lab.says(LIAR, *(update(one, 5) for one in range(name, name + 100)))
        lab.wait(0.1)
    lab.down(LIAR)
    lab.up(OTHER)
    for name in range(200, 1_200, 10):
        lab.says(OTHER, *(update(one, 5) for one in range(name, name + 10)))
        lab.wait(0.25)
    assert [lab.next_hop(name) for name in range(200, 1_200)] == [OTHER] * 1_000


def test_a_single_neighbour_may_fill_the_table() -> None:
    lab = RoutingLab()
    lab.up(HONEST)
    for name in range(MADE_UP, MADE_UP + ROWS, 100):
        lab.says(HONEST, *(update(one, 5) for one in range(name, name + 100)))
        lab.wait(0.1)
    assert lab.count("destinations") == ROWS
    assert lab.count("rows_evicted") == 0


def test_nobody_is_over_its_share_of_a_table_that_many_fill_alike() -> None:
    lab = RoutingLab()
    neighbours = range(1, 21)
    each = ROWS // (len(neighbours) + 1)
    lab.up(*neighbours)
    for neighbour in neighbours:
        lab.says(neighbour, *(update(1_000 * neighbour + name, 5) for name in range(each)))
        lab.wait(0.1)
    assert lab.count("destinations") == 1 + each * len(neighbours) > ROWS - ROWS // 16
    assert (lab.count("over_share"), lab.count("rows_evicted")) == (0, 0)


def test_who_brings_more_than_its_share_of_nodes_that_are_talked_to_may_bring_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab = RoutingLab()
    monkeypatch.setattr(lab.engine._acquisition._shares, "_keeps", lambda node: True)
    flooded(lab)
    assert (lab.count("over_share"), lab.count("rows_evicted")) == (0, 0)
