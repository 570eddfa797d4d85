"""Medians and percentiles."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from sim.quantiles import Quantiles, quantiles


def test_quantiles_are_values_that_occurred() -> None:
    assert quantiles([]) is None
    assert quantiles([7.0]) == Quantiles(median=7.0, p99=7.0, max=7.0)
    assert quantiles([float(value) for value in range(200, 0, -1)]) == Quantiles(median=100.0, p99=198.0, max=200.0)


@given(values=st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_at_least_half_of_the_values_are_not_above_the_median_and_99_percent_not_above_p99(values: list[float]) -> None:
    spread = quantiles(values)
    assert spread is not None
    for bound, share in ((spread.median, 0.5), (spread.p99, 0.99), (spread.max, 1.0)):
        assert sum(value <= bound for value in values) >= share * len(values)
        below = itertools.filterfalse(lambda value, bound=bound: value >= bound, values)  # type: ignore[misc]
        assert len(list(below)) < share * len(values)
