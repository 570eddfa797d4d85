"""Neighbours whose links are down: when each is dialled again."""

from math import inf

import pytest

from mycelium.peering.redials import FIRST_WAIT_S, Redials

NEIGHBOUR, OTHER = b"n" * 16, b"o" * 16


def test_a_neighbour_is_dialled_at_once_and_then_with_growing_waits() -> None:
    redials = Redials()
    redials.start(NEIGHBOUR, now=10.0)
    due_at = 10.0
    for wait in (1.0, 1.5, 2.25):
        assert redials.next_deadline() == due_at
        assert redials.take_due(now=due_at - 0.01) == []
        assert redials.take_due(now=due_at) == [NEIGHBOUR]
        due_at += wait
    assert redials.next_deadline() == due_at


def test_only_started_neighbours_are_dialled_and_none_after_it_was_stopped() -> None:
    redials = Redials()
    redials.start(NEIGHBOUR, now=0.0)
    assert NEIGHBOUR in redials
    assert OTHER not in redials
    redials.stop(NEIGHBOUR)
    redials.stop(OTHER)
    assert NEIGHBOUR not in redials
    assert redials.take_due(now=1.0) == []
    assert redials.next_deadline() == inf


def test_a_neighbour_that_is_started_again_is_dialled_at_once_again() -> None:
    redials = Redials()
    redials.start(NEIGHBOUR, now=0.0)
    for now in range(100):
        redials.take_due(now=now)
    redials.start(NEIGHBOUR, now=101.0)
    assert redials.take_due(now=101.0) == [NEIGHBOUR]
    assert redials.next_deadline() == 101.0 + FIRST_WAIT_S


def test_the_earliest_of_many_is_searched_for_once_until_something_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    redials = Redials()
    for number in range(3):
        redials.start(bytes([number]) * 16, now=10.0 + number)
    assert redials.next_deadline() == 10.0
    monkeypatch.setattr("builtins.min", None)  # which is not called
    assert redials.next_deadline() == 10.0
    assert redials.take_due(now=9.0) == []
    redials.stop(OTHER)  # nobody
    assert redials.next_deadline() == 10.0
    monkeypatch.undo()
    redials.stop(bytes(16))
    assert redials.next_deadline() == 11.0
    redials.start(OTHER, now=0.0)
    assert redials.next_deadline() == 0.0


def test_a_changed_network_has_every_neighbour_dialled_at_once() -> None:
    redials = Redials()
    redials.start(NEIGHBOUR, now=0.0)
    redials.start(OTHER, now=50.0)
    for now in range(100):
        redials.take_due(now=now)
    redials.retry_all(now=101.0)
    assert redials.take_due(now=101.0) == [NEIGHBOUR, OTHER]
    assert redials.next_deadline() == 101.0 + FIRST_WAIT_S
