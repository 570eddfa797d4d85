"""Who holds most, whatever was added and removed."""

from hypothesis import given
from hypothesis import strategies as st

from mycelium.owner_counts import OwnerCounts


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=200))
def test_the_owner_of_the_most_is_known_after_each_step(steps: list[tuple[bool, int]]) -> None:
    counts: OwnerCounts[int] = OwnerCounts()
    held = dict.fromkeys(range(6), 0)
    for is_more, owner in steps:
        if is_more:
            counts.add(owner)
            held[owner] += 1
        elif held[owner]:
            counts.remove(owner)
            held[owner] -= 1
        if any(held.values()):
            assert held[counts.largest()] == max(held.values())
    assert counts._counts == {owner: count for owner, count in held.items() if count}
    assert counts._by_count.keys() == set(held.values()) - {0}


def test_of_equal_ones_who_has_held_as_many_for_longest_comes_first() -> None:
    counts: OwnerCounts[str] = OwnerCounts()
    for owner in "abab":
        counts.add(owner)
    assert counts.largest() == "a"
    counts.add("a")
    counts.remove("a")
    assert counts.largest() == "b"
