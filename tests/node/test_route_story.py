"""Which changes of next hops are told, and how many."""

from math import inf
from typing import Any

import pytest

from mycelium.limits import JOURNAL_ROUTES_PER_SECOND
from mycelium.node import route_story as route_story_module
from mycelium.node.route_story import PATIENCE_S, RouteStory
from mycelium.node.tally import Tally

FAR, ONE, OTHER = b"f" * 16, b"1" * 16, b"2" * 16


class Story:
    """A story, what it told, and the changes it was given."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.left_out: list[int] = []
        self.silent_since: dict[bytes, float] = {}
        self.used: set[bytes] = set()
        self.version = 0
        self.story = RouteStory(
            tell=lambda *event: self.told.append(event),
            tell_of_more=lambda at, count: self.left_out.append(count),
            tally=Tally(),
            now=0.0,
        )

    def change(self, at: float, node: bytes, before: bytes | None, after: bytes | None, cause: str = "cause") -> None:
        self.version += 1
        self.story.take(
            [(at, node, before, after, cause)],
            self.version,
            is_in_use=self.used.__contains__,
            silent_since=lambda node: self.silent_since.get(node, inf),
            now=at,
        )


def test_a_new_route_and_a_changed_one_are_told_at_once() -> None:
    story = Story()
    story.change(1.0, FAR, None, ONE, "new")
    story.change(2.0, FAR, ONE, OTHER, "shorter")
    assert story.told == [(1.0, FAR, None, ONE, "new", None), (2.0, FAR, ONE, OTHER, "shorter", None)]


def test_a_change_because_of_a_silent_next_hop_says_for_how_long_it_was_silent() -> None:
    story = Story()
    story.silent_since[ONE] = 4.5
    story.change(5.0, FAR, ONE, OTHER)
    assert story.told == [(5.0, FAR, ONE, OTHER, "cause", 0.5)]


def test_a_route_that_is_back_soon_is_one_event_with_the_time_it_was_gone() -> None:
    story = Story()
    story.change(5.0, FAR, ONE, None, "link down")
    story.story.sweep(now=5.0 + PATIENCE_S / 2)
    assert story.told == []
    story.change(5.75, FAR, None, OTHER, "update")
    assert story.told == [(5.75, FAR, ONE, OTHER, "link down", 0.75)]
    story.story.sweep(now=60.0)
    assert len(story.told) == 1


def test_the_silence_of_the_next_hop_counts_as_time_without_a_route() -> None:
    story = Story()
    story.silent_since[ONE] = 4.0
    story.change(5.0, FAR, ONE, None)
    story.silent_since.clear()
    story.change(5.5, FAR, None, OTHER)
    assert story.told == [(5.5, FAR, ONE, OTHER, "cause", 1.5)]


def test_a_route_that_stays_away_is_told_as_lost_and_again_when_it_is_back() -> None:
    story = Story()
    story.change(5.0, FAR, ONE, None)
    story.story.sweep(now=5.0 + PATIENCE_S)
    assert story.told == [(5.0 + PATIENCE_S, FAR, ONE, None, "cause", PATIENCE_S)]
    story.change(9.0, FAR, None, ONE)
    assert story.told[1:] == [(9.0, FAR, ONE, ONE, "cause", 4.0)]


def test_events_beyond_the_rate_are_counted_and_hold_back_none_of_destinations_with_traffic() -> None:
    story = Story()
    used = b"u" * 16
    story.used.add(used)
    for number in range(2 * JOURNAL_ROUTES_PER_SECOND):
        story.change(1.0, number.to_bytes(16, "big"), None, ONE)
    story.change(1.0, used, None, ONE)
    assert len(story.told) == JOURNAL_ROUTES_PER_SECOND + 1
    assert story.told[-1][1] == used
    story.story.sweep(now=1.0)
    story.story.sweep(now=2.0)
    assert story.left_out == [JOURNAL_ROUTES_PER_SECOND]


def test_changes_that_the_engine_dropped_before_they_were_read_are_counted() -> None:
    story = Story()
    story.version = 10
    story.change(1.0, FAR, None, ONE)
    story.story.sweep(now=1.0)
    assert story.left_out == [10]


def test_remembered_losses_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route_story_module, "JOURNAL_LOST_ROUTES", 3)
    story = Story()
    for number in range(10):
        story.change(1.0, number.to_bytes(16, "big"), ONE, None)
    story.story.sweep(now=1.0 + PATIENCE_S)
    assert [event[1][-1] for event in story.told] == [7, 8, 9]
