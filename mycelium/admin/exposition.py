"""Metrics as text in the exposition format of Prometheus, version 0.0.4."""

from collections.abc import Iterable
from math import inf
from typing import Final

from mycelium.counters import Histogram, MetricKind

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX: Final = "mycelium_"
_HISTOGRAM: Final = "histogram"
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})

Labels = tuple[str, ...]  # values of labels, in the order of their names


class Exposition:
    """A text that grows by one metric after the other."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def __bytes__(self) -> bytes:
        return "\n".join([*self._lines, ""]).encode()

    def single(self, name: str, kind: MetricKind, help: str, value: float, *, prefix: str = _PREFIX) -> None:
        """Adds a metric without labels."""
        self._begin(prefix + name, kind.value, help)
        self._lines.append(f"{prefix}{name} {_number(value)}")

    def labelled(
        self, name: str, kind: MetricKind, help: str, labels: Labels, samples: Iterable[tuple[Labels, float]]
    ) -> None:
        """Adds a metric with labels: their names, and for each tuple of theirs its value."""
        self._begin(_PREFIX + name, kind.value, help)
        for values, value in samples:
            self._lines.append(f"{_PREFIX}{name}{{{_labels(labels, values)}}} {_number(value)}")

    def histogram(self, name: str, help: str, histogram: Histogram) -> None:
        """Adds a histogram."""
        name = _PREFIX + name
        self._begin(name, _HISTOGRAM, help)
        count = 0
        for bound, counted in zip((*histogram.bounds, inf), histogram.counts, strict=True):
            count += counted
            self._lines.append(f'{name}_bucket{{le="{_number(bound)}"}} {count}')
        self._lines += (f"{name}_sum {_number(histogram.sum)}", f"{name}_count {count}")

    def _begin(self, name: str, kind: str, help: str) -> None:
        self._lines += (f"# HELP {name} {help}", f"# TYPE {name} {kind}")


def _labels(names: Iterable[str], values: Iterable[str]) -> str:
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(names, values, strict=True))


def _number(value: float) -> str:
    if value == inf:
        return "+Inf"
    return str(value) if isinstance(value, int) else repr(round(value, 9))
