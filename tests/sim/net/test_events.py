"""The event heap: order, limits, and ending a run early."""

import pytest

from sim.net.events import NEVER, SLOTS_PER_S, EventHeap


def test_events_happen_in_the_order_of_time_then_of_scheduling() -> None:
    heap, seen = EventHeap(), list[str]()
    for when, name in ((2.0, "c"), (1.0, "a"), (1.0, "b")):
        heap.at(when, seen.append, name)
    assert heap.next_time() == 1.0
    assert heap.run(1.5)
    assert (seen, heap.now, heap.handled) == (["a", "b"], 1.5, 2)
    assert heap.run(3.0)
    assert (seen, heap.next_time()) == (["a", "b", "c"], NEVER)


def test_what_is_scheduled_meanwhile_takes_its_turn_in_the_present_slot_and_in_later_ones() -> None:
    heap, seen = EventHeap(), list[float]()

    def begin() -> None:
        for share in (2.5, 0.5, 1.5, 0.0):
            heap.after(share / SLOTS_PER_S, seen.append, share)

    heap.at(1.0, begin)
    for share in (0.25, 1.25, 2.75):
        heap.at(1.0 + share / SLOTS_PER_S, seen.append, share)
    assert heap.run(2.0)
    assert seen == [0.0, 0.25, 0.5, 1.25, 1.5, 2.5, 2.75]


def test_an_event_can_be_scheduled_before_the_next_one_after_a_look_at_that() -> None:
    heap, seen = EventHeap(), list[str]()
    heap.at(5.0, seen.append, "b")
    assert heap.next_time() == 5.0
    heap.at(1.0, seen.append, "a")
    assert heap.next_time() == 1.0
    assert heap.run(9.0)
    assert seen == ["a", "b"]


def test_a_run_stops_after_so_many_events() -> None:
    heap, seen = EventHeap(now=5.0), list[float]()
    for _ in range(3):
        heap.after(1.0, lambda: seen.append(heap.now))
    assert not heap.run(9.0, events=2)
    assert (seen, heap.now) == ([6.0, 6.0], 6.0)


def test_an_event_can_end_the_run_early() -> None:
    heap = EventHeap()
    heap.at(1.0, heap.stop_by, 2.0)
    heap.at(3.0, pytest.fail)
    assert heap.run(10.0)
    assert heap.now == 2.0


def test_a_step_handles_one_event() -> None:
    heap, seen = EventHeap(), list[int]()
    heap.at(1.0, seen.append, 1)
    heap.at(1.0, seen.append, 2)
    heap.step()
    assert (seen, heap.now) == ([1], 1.0)
