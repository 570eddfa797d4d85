"""Who is slowed, for how long, and that the daemon hears of it."""

from mycelium.link.slowed import SLOWED_S, Slowed
from mycelium.outbox import IndicesChanged, Outbox

A, B = b"a" * 16, b"b" * 16


def test_a_neighbour_is_slowed_until_it_has_been_within_bounds_for_a_while() -> None:
    outbox = Outbox()
    slowed = Slowed(outbox)
    slowed.add(A, now=0.0)
    slowed.add(A, now=SLOWED_S / 2)
    slowed.add(B, now=0.0)
    slowed.sweep(now=SLOWED_S)
    assert (A in slowed, B in slowed) == (True, False)
    slowed.sweep(now=1.5 * SLOWED_S)
    assert A not in slowed


def test_each_change_is_told_once() -> None:
    outbox = Outbox()
    slowed = Slowed(outbox)
    for when in range(3):
        slowed.add(A, now=float(when))
    assert outbox.events == [IndicesChanged()]
    outbox.clear()
    slowed.add(A, now=3.0)
    slowed.sweep(now=3.0)
    assert outbox.events == []
    slowed.sweep(now=SLOWED_S + 3.0)
    assert outbox.events == [IndicesChanged()]
