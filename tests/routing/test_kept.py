"""What is kept of a lost neighbour, row by row."""

from mycelium.routing.destination import Destination
from mycelium.routing.digest import digest_of, share_of
from mycelium.routing.kept import Kept
from mycelium.routing.neighbour import Neighbour
from mycelium.wire.distance import RETRACTED, SEQUENCE_MASK, UNKNOWN, distance
from tests.routing.engines import address
from tests.routing.lab import RoutingLab, update

FAR, ROUTE = address(3), distance(0, 30)
BEST = distance(SEQUENCE_MASK, 0)


def lost() -> tuple[Neighbour, Destination]:
    """Returns a neighbour, and a row of which it has the newest."""
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(3, 30))
    lab.flush()
    return lab.engine._table.by_address[address(2)], lab.engine._table.rows[FAR]


def noted(neighbour: Neighbour, row: Destination, *, unsure: bool = False) -> Kept:
    kept = Kept(0.0, 0, (), row.told_in - unsure, {}, {})
    kept.note(row, neighbour)
    return kept


def test_a_route_that_the_neighbour_has_is_kept_as_it_was_told() -> None:
    neighbour, row = lost()
    assert noted(neighbour, row).told == {FAR: row.advertised}


def test_of_a_route_that_it_was_not_told_the_newest_of_nothing_is_known() -> None:
    neighbour, row = lost()
    row.current = 0
    assert noted(neighbour, row).told == {FAR: UNKNOWN}


def test_what_it_was_told_of_itself_is_told_again_as_it_may_be_of_another_host() -> None:
    neighbour, row = lost()
    neighbour.node = FAR
    assert noted(neighbour, row).told == {FAR: UNKNOWN}


def test_what_it_was_told_while_it_was_suspected_stays_unknown() -> None:
    neighbour, row = lost()
    assert noted(neighbour, row, unsure=True).told == {FAR: UNKNOWN}


def test_a_route_that_it_does_not_have_is_not_kept() -> None:
    neighbour, row = lost()
    row.holders = 0
    assert noted(neighbour, row).told == {}


def test_its_finite_routes_are_kept_and_offered_when_all_rows_are_noted() -> None:
    neighbour, row = lost()
    row.routes[neighbour.slot] = ROUTE
    neighbour.received = share_of(FAR, ROUTE)
    kept = noted(neighbour, row)
    assert (kept.received, kept.offer) == ({FAR: ROUTE}, None)
    kept.complete(neighbour)
    assert kept.offer == digest_of(share_of(FAR, ROUTE))
    for last in (ROUTE, BEST):
        row.routes[neighbour.slot] = last | RETRACTED
        assert noted(neighbour, row).received == {}
