"""Counters and gauges: their definitions, with name and meaning, and one registry of all of them.

An object that counts has a slotted dataclass of plain integers, cheap enough for the data path, and defines each one in a line:

    packets_sent: int = counter("Packets from TUN sent to other nodes.")
    packets_foreign: int = drops("Arrived packets dropped: destination not ours.")
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_HELP = "help"
_IS_DROP = "is_drop"


class MetricKind(StrEnum):
    """How a value moves: a counter only grows, a gauge goes up and down."""

    COUNTER = "counter"
    GAUGE = "gauge"


class Metric(NamedTuple):
    """Name and meaning of one value; `help` is a sentence for operators."""

    name: str
    kind: MetricKind
    help: str
    is_drop: bool = False  # it counts what was thrown away


def counter(help: str) -> int:
    """Defines a counter that starts at 0, as a field of a dataclass."""
    return field(default=0, metadata={_HELP: help})


def drops(help: str) -> int:
    """Defines a counter of what is thrown away: `/metrics` has all of these under one name."""
    return field(default=0, metadata={_HELP: help, _IS_DROP: True})


class Histogram:
    """How many observed values were at most as large as each bound and larger than the one before; the last has no bound."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, *bounds: float) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Counts one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Registry:
    """The metrics of many objects. Counters of the same name and meaning are added up."""

    __slots__ = ("_counters", "_gauges", "_metrics")

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}
        self._counters: list[tuple[str, DataclassInstance]] = []  # with the prefix of their names
        self._gauges: dict[str, Callable[[], int]] = {}

    def add(self, *counters: "DataclassInstance", prefix: str = "") -> None:
        """Takes the counters of objects; raises ValueError for a name that means something else already."""
        for one in counters:
            for each in fields(one):
                about = each.metadata
                self._define(Metric(prefix + each.name, MetricKind.COUNTER, about[_HELP], _IS_DROP in about))
            self._counters.append((prefix, one))

    def add_gauge(self, name: str, help: str, read: Callable[[], int]) -> None:
        """Takes a value that `read` returns; raises ValueError for a name that is taken."""
        if name in self._metrics:
            raise ValueError(f"two gauges called {name}")
        self._define(Metric(name, MetricKind.GAUGE, help))
        self._gauges[name] = read

    def metrics(self) -> list[Metric]:
        """Returns all metrics, in the order in which they were added."""
        return list(self._metrics.values())

    def values(self) -> dict[str, int]:
        """Returns every value by its name, in the order of `metrics`."""
        values = dict.fromkeys(self._metrics, 0)
        for prefix, counters in self._counters:
            for each in fields(counters):
                values[prefix + each.name] += getattr(counters, each.name)
        for name, read in self._gauges.items():
            values[name] = read()
        return values

    def _define(self, metric: Metric) -> None:
        if self._metrics.setdefault(metric.name, metric) != metric:
            raise ValueError(f"two meanings of {metric.name}")
