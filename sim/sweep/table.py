"""The results of a sweep: all runs as CSV, and on the screen the medians and 99th percentiles across seeds."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from mycelium.errors import ConfigError

from ..quantiles import quantiles

TABLE: Final = "results.csv"

_SEED: Final = "seed"
_SPEC_FIELDS: Final = ("topology", "nodes", "scenario", _SEED, "fidelity")
_MEASURES: Final = {  # columns on the screen: heading, factor, digits
    "converged_s": ("converged\ns", 1.0, 2),
    "outage_s.median": ("outage\nmedian, ms", 1_000.0, 0),
    "outage_s.p99": ("outage\np99, ms", 1_000.0, 0),
    "after_detection_s.p99": ("detection to\nend p99, ms", 1_000.0, 0),
    "bytes_per_node": ("kB per\nnode", 0.001, 1),
    "idle_bytes_per_node_per_s": ("idle B/s\nper node", 1.0, 1),
    "wall_s": ("real time\ns", 1.0, 1),
}
_FAULTS: Final = ("loops", "metric_mismatches", "violations")

Row = dict[str, Any]


def make_rows(results: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Returns one row per run with its settings, summary and error, ordered by settings."""
    ordered = sorted(results, key=lambda result: _spec_order(result["spec"]))
    return [_make_row(result) for result in ordered]


def _spec_order(spec: Mapping[str, Any]) -> list[tuple[bool, float, str]]:
    parameters = spec.get("parameters", {})
    names = [name for name in _SPEC_FIELDS if name != _SEED]
    values = [*(spec.get(name) for name in names), *(parameters[name] for name in sorted(parameters)), spec.get(_SEED)]
    return [(isinstance(value, str), value if isinstance(value, int | float) else 0.0, str(value)) for value in values]


def _make_row(result: Mapping[str, Any]) -> Row:
    spec = dict(result["spec"])
    parameters = spec.pop("parameters", {})
    row: Row = {name: spec.get(name) for name in _SPEC_FIELDS} | dict(parameters)
    for name, value in (result.get("summary") or {}).items():
        column = f"summary.{name}" if name in row else name
        if isinstance(value, dict):
            row |= {f"{column}.{part}": number for part, number in value.items()}
        elif isinstance(value, list):
            row[column] = json.dumps(value)
        else:
            row[column] = value
    row["error"] = result.get("error")
    return row


def write_csv(rows: Sequence[Row], folder: Path) -> Path:
    """Writes all rows with all columns to a CSV file in the folder; raises ConfigError if that fails."""
    columns = list(dict.fromkeys(column for row in rows for column in row if column != "error"))
    path = folder / TABLE
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*columns, "error"])
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    return path


def fault_count(rows: Iterable[Row]) -> int:
    """Returns the number of runs with a violation or without a summary."""
    return sum(bool(row["error"]) or any(row.get(fault) for fault in _FAULTS) for row in rows)


def summary_table(rows: Sequence[Row], settings: Sequence[str]) -> Table:
    """Returns the table for the screen, with one line per combination of settings."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(json.dumps([row.get(name) for name in settings]), []).append(row)
    measures = [name for name in _MEASURES if any(isinstance(row.get(name), int | float) for row in rows)]
    table = Table(
        title="median / p99 across seeds",
        title_justify="left",
        highlight=False,
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for name in settings:
        table.add_column(name, style="bold", no_wrap=True)
    table.add_column("seeds", justify="right")
    for name in measures:
        table.add_column(_MEASURES[name][0], justify="right", no_wrap=True)
    table.add_column("faulty\nruns", justify="right")
    for members in groups.values():
        cells = [Text(str(members[0].get(name, ""))) for name in settings]
        spreads = [Text(_spread(members, name)) for name in measures]
        faults = fault_count(members)
        table.add_row(*cells, str(len(members)), *spreads, Text(str(faults), style="red" if faults else ""))
    return table


def _spread(rows: Sequence[Row], name: str) -> str:
    _, factor, digits = _MEASURES[name]
    found = quantiles([factor * row[name] for row in rows if isinstance(row.get(name), int | float)])
    if found is None:
        return "-"
    return f"{found.median:,.{digits}f} / {found.p99:,.{digits}f}"


def varying(rows: Sequence[Row], asked: Iterable[str]) -> list[str]:
    """Returns the settings that distinguish runs: those of the sweep, and those that differ among the rows."""
    names = [*_SPEC_FIELDS, *asked]
    known = dict.fromkeys(names)
    differing = [name for name in known if len({json.dumps(row.get(name)) for row in rows}) > 1]
    wanted = [name for name in known if name in differing or name in list(asked)]
    return [name for name in wanted if name != _SEED] or ["topology"]
