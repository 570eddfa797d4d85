"""Exhaustive searches within small bounds; and that they would find what is planted."""

import pytest

from mycelium.routing.advertise import Advertiser
from mycelium.routing.destination import Destination
from mycelium.routing.neighbour import Neighbour
from mycelium.routing.selection import Selection
from tests.prove.explorer import LoopFound, begin, explore
from tests.prove.searches import KITE, LINE, QUICK, TAIL, TRIANGLE, Search, careless

MOST = 450  # states of one search


@pytest.mark.parametrize("search", QUICK, ids=lambda search: search.name)
def test_no_train_goes_in_circles_and_routes_converge_whatever_comes_first(search: Search) -> None:
    found = explore(begin(search.links, search.bounds, liar=search.liar), most=MOST)
    assert found.is_complete or found.states >= MOST
    assert found.depth > 3


def test_a_search_that_has_seen_all_says_so() -> None:
    found = explore(begin(KITE, {"cut": 1}), most=10_000)
    assert found.is_complete
    assert found.at_rest > 5
    assert explore(begin(KITE, {"cut": 1}), most=10).is_complete is False


def test_routes_that_are_kept_and_were_not_told_again_are_among_what_is_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resumed = []
    note_kept = Advertiser._note_kept

    def noting(self: Advertiser, row: Destination, neighbour: Neighbour, packed: int) -> None:
        resumed.append(not row.holders & neighbour.bit)
        note_kept(self, row, neighbour, packed)

    monkeypatch.setattr(Advertiser, "_note_kept", noting)
    assert explore(begin(LINE, {"cut": 1, "mend": 1}), most=10_000).is_complete
    assert any(resumed)


def test_selection_without_feasibility_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Selection, "reselect", careless)
    with pytest.raises(LoopFound):
        explore(begin(TAIL, {"cut": 1}), most=MOST)


def test_routes_that_stay_too_long_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    choose = Selection.choose

    def lazy(self: Selection, row: Destination, slot: int, metric: int, cause: str, *, now: float) -> None:
        if cause != "better" or row.selected < 0:
            choose(self, row, slot, metric, cause, now=now)

    first = begin(TRIANGLE, {"cost": 1})
    monkeypatch.setattr(Selection, "choose", lazy)
    monkeypatch.setattr(Selection, "reselect", lambda self, row, cause, *, now: None)
    with pytest.raises(AssertionError, match="has the metric"):
        explore(first, most=MOST)
