"""Recorded round-trip times that links of a mesh replay: CSV files with the header `time_s,link,rtt_ms`.

A link is named by its ends, as in `n1-n2`. Rows can be in any order. A round-trip time holds until the next row of its link.
"""

import csv
import math
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Final

from mycelium.errors import ConfigError
from mycelium.limits import SIM_FILE_BYTES

from .. import PACKAGE

HEADER: Final = ["time_s", "link", "rtt_ms"]
_SUFFIX: Final = ".csv"
_LINK: Final = re.compile(r"n(\d+)-n(\d+)")

Edge = tuple[int, int]


class Recording:
    """The round-trip time of one link over time, from rows of (time, round-trip time) in seconds."""

    __slots__ = ("_length_s", "_rows")

    def __init__(self, rows: list[tuple[float, float]]) -> None:
        rows.sort()
        first, last = rows[0][0], rows[-1][0]
        self._rows = [(at - first, rtt_s) for at, rtt_s in rows]
        self._length_s = (last - first) * len(rows) / (len(rows) - 1) if last > first else math.inf

    def steps(self) -> Iterator[tuple[float, float]]:
        """Yields the time from which a round-trip time holds, from 0 on, and that; starts over at the end of the recording."""
        begun = 0.0
        while begun < math.inf:
            for at, rtt_s in self._rows:
                yield begun + at, rtt_s
            begun += self._length_s


def names() -> list[str]:
    """Returns the names of the built-in traces."""
    folder = resources.files(PACKAGE) / "traces"
    return sorted(entry.name.removesuffix(_SUFFIX) for entry in folder.iterdir() if entry.name.endswith(_SUFFIX))


def read(name: str) -> dict[Edge, Recording]:
    """Returns the recordings of a built-in trace or a file by the ends of the links; raises ConfigError."""
    rows: dict[Edge, list[tuple[float, float]]] = {}
    try:
        table = csv.reader(_text(name).splitlines(), strict=True)
        if next(table, None) != HEADER:
            raise ConfigError(f"trace {name} does not begin with {','.join(HEADER)}")
        for row in table:
            edge, at, rtt_s = _parsed(row)
            rows.setdefault(edge, []).append((at, rtt_s))
    except (ValueError, csv.Error) as error:
        raise ConfigError(f"trace {name}, line {table.line_num}: {error}") from error
    if not rows:
        raise ConfigError(f"trace {name} is empty")
    return {edge: Recording(found) for edge, found in rows.items()}


def _text(name: str) -> str:
    try:
        if name in names():
            return (resources.files(PACKAGE) / "traces" / f"{name}{_SUFFIX}").read_text(encoding="ascii")
        path = Path(name)
        if path.stat().st_size > SIM_FILE_BYTES:
            raise ConfigError(f"trace {name} is longer than {SIM_FILE_BYTES} bytes")
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"trace {name} is neither a readable file nor one of {', '.join(names())}: {error}"
        ) from error


def _parsed(row: list[str]) -> tuple[Edge, float, float]:
    at, link, rtt_ms = row
    ends = _LINK.fullmatch(link)
    if ends is None:
        raise ValueError(f"{link!r} is not a valid link name; an example is n1-n2")
    one, other = int(ends[1]), int(ends[2])
    rtt_s = float(rtt_ms) / 1e3
    if not math.isfinite(float(at)) or not 0 <= rtt_s < math.inf:
        raise ValueError(f"{at} s or {rtt_ms} ms is not a valid time")
    return (min(one, other), max(one, other)), float(at), rtt_s
