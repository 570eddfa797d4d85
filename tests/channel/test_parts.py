"""Bytes are whole once all of their parts have come, in whatever order."""

import random

from hypothesis import given
from hypothesis import strategies as st

from mycelium.channel.parts import Parts


@given(data=st.binary(min_size=1, max_size=50), size=st.integers(1, 20), seed=st.integers(0, 99))
def test_parts_come_in_any_order_and_the_first_of_each_counts(data: bytes, size: int, seed: int) -> None:
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    order = random.Random(seed).sample(range(len(pieces)), len(pieces))
    parts = Parts(len(data), size)
    for number in order[:-1]:
        assert parts.take(number, pieces[number]) is None
        assert parts.take(number, bytes(len(pieces[number]))) is None
    assert parts.whole is None
    assert parts.arrived == (1 << len(pieces)) - 1 - (1 << order[-1])
    assert parts.take(order[-1], pieces[order[-1]]) == data
    assert parts.take(order[-1], pieces[order[-1]]) is None
    assert parts.whole == data


def test_nothing_is_held_before_the_first_part() -> None:
    parts = Parts(5_000, 480)
    assert len(parts._data) == 0
    parts.take(0, bytes(480))
    assert len(parts._data) == 5_000
