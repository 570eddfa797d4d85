"""Medians and 99th percentiles for all reports of the simulator: values that occurred, never interpolated."""

import math
from collections.abc import Sequence

import msgspec


class Quantiles(msgspec.Struct, frozen=True):
    """The median, the 99th percentile and the largest of some values, in the unit of the values."""

    median: float
    p99: float
    max: float


def quantile(ordered: Sequence[float], share: float) -> float:
    """Returns the quantile of values in ascending order by the nearest-rank method."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def quantiles(values: Sequence[float]) -> Quantiles | None:
    """Returns the quantiles of values in any order, None if there are none."""
    if not values:
        return None
    ordered = sorted(values)
    return Quantiles(median=quantile(ordered, 0.5), p99=quantile(ordered, 0.99), max=ordered[-1])
