"""The results of a sweep: all runs as CSV, and on the screen the medians and 99th percentiles across seeds."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from mycelium.admin.table import Column
from mycelium.errors import ConfigError

from ..quantiles import quantiles
from ..report.terminal import print_line, print_table
from ..report.words import typed

TABLE: Final = "results.csv"

_SEED: Final = "seed"
_SPEC_FIELDS: Final = ("topology", "nodes", "scenario", _SEED, "fidelity")
_MEASURES: Final = {  # columns on the screen: heading, factor, digits; {how} is how faults are detected
    "converged_s": ("converged, s", 1.0, 2),
    "outage_s.median": ("outage median, ms", 1_000.0, 0),
    "outage_s.p99": ("outage p99, ms", 1_000.0, 0),
    "detection_s.median": ("detection ({how}) median, ms", 1_000.0, 0),
    "repair_s.p99": ("repair (measured) p99, ms", 1_000.0, 0),
    "bytes_per_node": ("sent, kB per node", 0.001, 1),
    "idle_bytes_per_node_per_s": ("idle, B/s per node", 1.0, 1),
    "churn_bytes_per_node_per_s": ("churn, B/s per node", 1.0, 1),
    "wall_s": ("real time, s", 1.0, 1),
}
_HOW: Final = {"routing": "assumed", "node": "measured"}  # by fidelity
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


def print_rows(console: Console, rows: Sequence[Row], settings: Sequence[str]) -> None:
    """Prints the table for the screen, with one row per combination of settings."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(json.dumps([row.get(name) for name in settings]), []).append(row)
    print_line(console, "median / p99 across seeds")
    print_table(console, [*_setting_columns(settings), *_measure_columns(rows)], groups.values())


def _setting_columns(settings: Sequence[str]) -> Iterator[Column[list[Row]]]:
    for name in settings:
        yield Column(name, partial(_setting, name), must_show=True)


def _setting(name: str, members: list[Row]) -> str:
    return typed(members[0].get(name))


def _measure_columns(rows: Sequence[Row]) -> Iterator[Column[list[Row]]]:
    how = " or ".join(sorted({_HOW.get(str(row.get("fidelity")), "measured") for row in rows}))
    yield Column("seeds", lambda members: str(len(members)), is_number=True, must_show=True)
    for name, (heading, _, _) in _MEASURES.items():
        if any(isinstance(row.get(name), int | float) for row in rows):
            yield Column(heading.format(how=how), partial(_spread, name), is_number=True, must_show=True)
    yield Column("faulty runs", lambda members: str(fault_count(members)), is_number=True, must_show=True)


def _spread(name: str, rows: Sequence[Row]) -> str:
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
