"""Neighbours whose links are down: when each is dialled again."""

from mycelium.peering.redials import FIRST_WAIT_S, Redials

NEIGHBOUR, OTHER = b"n" * 16, b"o" * 16


def test_a_neighbour_is_dialled_at_once_and_then_with_growing_waits() -> None:
    redials = Redials()
    redials.start(NEIGHBOUR, now=10.0)
    due_at = 10.0
    for wait in (1.0, 1.5, 2.25):
        assert not redials.take_due(NEIGHBOUR, now=due_at - 0.01)
        assert redials.take_due(NEIGHBOUR, now=due_at)
        due_at += wait
    assert not redials.take_due(NEIGHBOUR, now=due_at - 0.01)


def test_only_started_neighbours_are_dialled_and_none_after_it_was_stopped() -> None:
    redials = Redials()
    redials.start(NEIGHBOUR, now=0.0)
    assert NEIGHBOUR in redials
    assert OTHER not in redials
    assert not redials.take_due(OTHER, now=1.0)
    redials.stop(NEIGHBOUR)
    redials.stop(OTHER)
    assert NEIGHBOUR not in redials
    assert not redials.take_due(NEIGHBOUR, now=1.0)


def test_a_neighbour_that_is_started_again_is_dialled_at_once_again() -> None:
    redials = Redials()
    redials.start(NEIGHBOUR, now=0.0)
    for _ in range(5):
        redials.take_due(NEIGHBOUR, now=100.0)
    redials.start(NEIGHBOUR, now=101.0)
    assert redials.take_due(NEIGHBOUR, now=101.0)
    assert redials.take_due(NEIGHBOUR, now=101.0 + FIRST_WAIT_S)
