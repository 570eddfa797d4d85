"""Output of benchmarks: a table for people, JSON lines for programs."""

import json
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

Row = dict[str, str | float]


def print_table(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Prints some fields of the rows as an aligned table."""
    cells = [list(columns), *([_shown(row.get(column, "")) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def write_json_lines(rows: Iterable[Row], path: Path | None) -> None:
    """Writes the rows as JSON lines to a file, or to standard output."""
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    if path is None:
        sys.stdout.write(f"\n{text}")
    else:
        path.write_text(text)


def summary(values: Sequence[float]) -> Row:
    """Returns the median, the least and the largest of some measurements."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values), "runs": len(values)}


def progress(text: str) -> None:
    """Reports progress on standard error."""
    print(text, file=sys.stderr, flush=True)


def _shown(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:,.3g}" if abs(value) < 1_000 else f"{value:,.0f}"
