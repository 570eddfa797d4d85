"""The newest entries with a share for each owner."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from mycelium.node.fair_ring import FairRing


class Note(NamedTuple):
    sequence: int
    owner: str


def ring_of(owners: str, *, entries: int = 8) -> FairRing[Note]:
    ring: FairRing[Note] = FairRing(entries)
    for sequence, owner in enumerate(owners, start=1):
        ring.append(Note(sequence, owner), owner)
    return ring


def held(ring: FairRing[Note]) -> str:
    return "".join(note.owner for note in ring.after(0))


def test_whoever_makes_many_pushes_out_his_own() -> None:
    ring = ring_of("vv" + 1_000 * "f")
    assert held(ring) == "vvffffff"
    assert [note.sequence for note in ring.after(1_000)] == [1_001, 1_002]
    assert ring.after(1_002) == []


def test_several_who_make_many_leave_the_others_theirs() -> None:
    assert sorted(held(ring_of("vv" + 100 * "abc"))) == list("aabbccvv")
    assert held(ring_of(20 * "a")) == 8 * "a", "who is alone has all"


@given(st.text("abcdefghijklmnop", max_size=100), st.integers(1, 10))
def test_the_bound_holds_and_nothing_is_left_over(owners: str, entries: int) -> None:
    ring = ring_of(owners, entries=entries)
    notes = ring.after(0)
    assert len(notes) == min(entries, len(owners))
    assert [note.sequence for note in notes] == sorted({note.sequence for note in notes})
    assert all(ring._owned.values()), "nothing is kept of owners without entries"
    assert sum(len(owned) for owned in ring._owned.values()) == len(notes)
