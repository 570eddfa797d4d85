"""Medians and 99th percentiles as every report of the simulator gives them: values that occurred, never interpolated."""

import math
from collections.abc import Sequence

import msgspec


class Quantiles(msgspec.Struct, frozen=True):
    """The middle, the 99th percentile and the largest of some values, in the values' own unit."""

    median: float
    p99: float
    max: float


def quantile(ordered: Sequence[float], share: float) -> float:
    """Returns the smallest of the ascending values that at least `share` of them do not exceed (nearest rank)."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def quantiles(values: Sequence[float]) -> Quantiles | None:
    """Returns the quantiles of the values in any order, None where there are none."""
    if not values:
        return None
    ordered = sorted(values)
    return Quantiles(median=quantile(ordered, 0.5), p99=quantile(ordered, 0.99), max=ordered[-1])
