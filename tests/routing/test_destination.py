import pytest

from mycelium.routing.destination import NOBODY, SETTLED, Destination
from mycelium.wire.announcement import Announcement
from mycelium.wire.distance import INFINITY, NO_SOURCE, RETRACTED, UNKNOWN, distance
from tests.routing.engines import address, announcement


def row_of(*routes: int, sequence: int = 5) -> Destination:
    return Destination(address(9), announcement(9, sequence), distance(sequence, 0), 0.0, list(routes))


def test_a_new_row_is_unreachable_and_nobody_was_told() -> None:
    row = row_of(UNKNOWN)
    assert (row.metric, row.selected, row.feasibility_distance) == (INFINITY, NOBODY, NO_SOURCE)
    assert (row.advertised, row.queued) == (UNKNOWN, SETTLED)
    assert (row.holders, row.current, row.announced) == (0, 0, 0)


def test_the_announcement_of_a_distance_is_that_of_its_sequence_whatever_the_metric() -> None:
    row = row_of()
    for metric in (0, 1, INFINITY):
        assert row.announcement_of(distance(5, metric)) == announcement(9, 5)
    assert row.announcement_of(distance(4, 0)) is None
    assert row.announcement_of(distance(6, INFINITY)) is None


def test_a_newer_announcement_moves_the_floor_and_the_time() -> None:
    row = row_of()
    row.learn(announcement(9, 7), now=30.0)
    assert (row.sequence, row.floor, row.advanced) == (7, distance(7, 0), 30.0)


def test_an_older_announcement_moves_neither() -> None:
    row = row_of()
    row.learn(announcement(9, 3), now=30.0)
    assert (row.sequence, row.floor, row.advanced) == (5, distance(5, 0), 0.0)
    assert row.announcement_of(distance(3, 10)) == announcement(9, 3)


def test_of_older_announcements_only_those_that_a_route_carries_stay_beside_the_newest_of_them() -> None:
    """Whoever signs them could fill the memory with them otherwise, one for each update."""
    row = row_of(UNKNOWN, distance(2, 10), sequence=1_000)
    for sequence in range(999):
        row.learn(announcement(9, sequence), now=0.0)
    assert [one.sequence for one in row.older] == [998, 2]


@pytest.mark.parametrize(
    ("route", "advertised", "is_kept"),
    [
        (distance(5, 10), UNKNOWN, True),
        (distance(5, 10) | RETRACTED, UNKNOWN, True),
        (UNKNOWN, distance(5, 20), True),
        (UNKNOWN, UNKNOWN, False),
        (distance(7, 10), distance(6, 10), False),
    ],
)
def test_an_announcement_is_kept_while_a_route_or_our_advertisement_has_its_sequence(
    route: int, advertised: int, is_kept: bool
) -> None:
    row = row_of(route)
    row.advertised = advertised
    row.learn(announcement(9, 7), now=0.0)
    expected: Announcement | None = announcement(9, 5) if is_kept else None
    assert row.announcement_of(distance(5, 99)) == expected
    assert row.announcement_of(distance(7, 99)) == announcement(9, 7)


@pytest.mark.parametrize(
    ("routes", "expected"),
    [([], False), ([UNKNOWN, distance(5, 1) | RETRACTED], False), ([UNKNOWN, distance(5, 1)], True)],
)
def test_a_row_has_routes_while_one_is_finite(routes: list[int], expected: bool) -> None:
    assert row_of(*routes).has_routes() is expected


def test_rows_are_told_apart_by_identity() -> None:
    assert row_of() != row_of()
    assert len({row_of(), row_of()}) == 2
