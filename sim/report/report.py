"""Collects the records of a complete or interrupted run, and prints a summary.

A killed run leaves no summary and perhaps an incomplete line. Its report is made of the other records and says so.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mycelium.errors import ConfigError

from ..quantiles import Quantiles, quantiles
from .records import (
    ActionRecord,
    MapRecord,
    NodeRecord,
    OutageRecord,
    RunRecord,
    SampleRecord,
    StretchRecord,
    SummaryRecord,
    ViolationRecord,
)

_SHOWN_VIOLATIONS: Final = 5
_LONG: Final = ("reproduce", "last_events")  # fields of a violation that only the file has
_Record = TypeVar("_Record", bound=msgspec.Struct)


class Report:
    """All records of one run by type; `unread` counts lines and records that could not be used."""

    __slots__ = (
        "actions",
        "last_summary",
        "map",
        "nodes",
        "outages",
        "places",
        "run",
        "samples",
        "stretch",
        "unread",
        "violations",
    )

    def __init__(self) -> None:
        self.run = RunRecord()
        self.actions: list[ActionRecord] = []
        self.samples: list[SampleRecord] = []
        self.outages: list[OutageRecord] = []
        self.nodes: list[NodeRecord] = []
        self.stretch: list[float] = []
        self.map: MapRecord | None = None
        self.places: dict[int, tuple[float, float]] | None = None  # of all nodes, once the map has been drawn
        self.violations: list[ViolationRecord] = []
        self.last_summary: SummaryRecord | None = None
        self.unread = 0

    def add(self, record: Mapping[str, object]) -> None:
        """Adds a record; those of unknown types or with invalid fields are counted only."""
        try:
            _TAKE[str(record.get("type"))](self, record)
        except (KeyError, msgspec.ValidationError):
            self.unread += 1

    def add_line(self, line: bytes) -> None:
        """Adds a line of a file; an incomplete one is counted only."""
        try:
            self.add(msgspec.json.decode(line, type=dict[str, object]))
        except msgspec.MsgspecError:
            self.unread += 1

    @property
    def is_complete(self) -> bool:
        """Tells whether the run is complete."""
        return self.last_summary is not None

    @property
    def summary(self) -> SummaryRecord:
        """Returns the summary of the run, or a partial one made from the other records."""
        return self.last_summary or self._partial_summary()

    def _partial_summary(self) -> SummaryRecord:
        last = self.samples[-1] if self.samples else SampleRecord(t=0.0)
        nodes = self.run.nodes
        return SummaryRecord(
            nodes=nodes,
            links=self.run.links,
            converged_s=next((sample.t for sample in self.samples if sample.converged_nodes >= nodes > 0), None),
            wall_s=last.wall_s,
            events=last.events,
            messages=last.messages,
            bytes_per_node=last.bytes / nodes if nodes else None,
            violations=len(self.violations),
            outage_s=quantiles(self.outage_seconds()),
            after_detection_s=quantiles(self.after_detection_seconds()),
        )

    def outage_seconds(self) -> list[float]:
        """Returns the durations of all outages that have ended."""
        return [outage.outage_s for outage in self.outages if outage.outage_s is not None]

    def after_detection_seconds(self) -> list[float]:
        """Returns the durations from detection to end, of all outages that have ended."""
        return [outage.after_detection_s for outage in self.outages if outage.after_detection_s is not None]


def _read(record: Mapping[str, object], kind: type[_Record]) -> _Record:
    return msgspec.convert(record, kind, str_keys=True)


def _take_action(report: Report, record: Mapping[str, object]) -> None:
    report.actions.append(msgspec.structs.replace(_read(record, ActionRecord), details=_details(record)))


def _take_violation(report: Report, record: Mapping[str, object]) -> None:
    report.violations.append(msgspec.structs.replace(_read(record, ViolationRecord), details=_details(record)))


def _details(record: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in record.items() if key not in ("type", "t", "what")}


_TAKE: Final[dict[str, Callable[[Report, Mapping[str, object]], None]]] = {
    "run": lambda report, record: setattr(report, "run", _read(record, RunRecord)),
    "action": _take_action,
    "sample": lambda report, record: report.samples.append(_read(record, SampleRecord)),
    "outage": lambda report, record: report.outages.append(_read(record, OutageRecord)),
    "node": lambda report, record: report.nodes.append(_read(record, NodeRecord)),
    "stretch": lambda report, record: report.stretch.extend(_read(record, StretchRecord).values),
    "map": lambda report, record: setattr(report, "map", _read(record, MapRecord)),
    "violation": _take_violation,
    "summary": lambda report, record: setattr(report, "last_summary", _read(record, SummaryRecord)),
}


def collect(records: Iterable[Mapping[str, object]]) -> Report:
    """Collects records."""
    report = Report()
    for record in records:
        report.add(record)
    return report


def read_report(path: str | Path) -> Report:
    """Collects the records in a file of JSON lines; raises ConfigError if it is unreadable or has no records of a run."""
    report = Report()
    try:
        with open(path, "rb") as file:
            lines = 0
            for line in file:
                lines += 1
                report.add_line(line)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if report.unread == lines:
        raise ConfigError(f"{path}: holds no records of a simulation")
    return report


def summary_rows(report: Report) -> list[tuple[str, str]]:
    """Returns the summary as (name, text) rows of a table."""
    run, summary = report.run, report.summary
    rows: list[tuple[str, str | None]] = [
        ("topology", f"{run.topology}, {_count(summary.nodes)} nodes, {_count(summary.links)} links"),
        ("scenario", f"{run.scenario}, seed {run.seed}, fidelity {run.fidelity}"),
        ("parameters", ", ".join(f"{key} = {value}" for key, value in run.parameters.items()) or None),
        ("all pairs converged", _seconds(summary.converged_s) or "not seen"),
        ("outage of flows", _spread(summary.outage_s)),
        ("outage after detection", _spread(summary.after_detection_s)),
        (
            "healing",
            ", ".join(_figure(name, value, summary.promises) for name, value in summary.figures.items()) or None,
        ),
        ("flows still out at the end", _count_if(sum(outage.outage_s is None for outage in report.outages))),
        ("control traffic per node", _kilobytes(summary.bytes_per_node)),
        ("idle control traffic per node", _rate(summary.idle_bytes_per_node_per_s)),
        ("control messages", _count(summary.messages)),
        ("forwarding loops", _count(summary.loops)),
        ("metrics unlike the oracle's", _count(summary.metric_mismatches)),
        ("violations", _count(summary.violations)),
        ("events", _count(summary.events)),
        ("real time", _seconds(summary.wall_s)),
        ("peak memory", None if summary.peak_rss_mib is None else f"{summary.peak_rss_mib:,.0f} MiB"),
        ("log hash", summary.log_hash),
        ("records passed over", _count_if(report.unread)),
    ]
    return [(name, text) for name, text in rows if text is not None]


def _figure(name: str, value: float, promises: Mapping[str, float]) -> str:
    bound = f" (at most {promises[name]:g})" if name in promises else ""
    return f"{name} {value:.4g}{bound}"


def _count(value: int | None) -> str | None:
    return None if value is None else f"{value:,}"


def _count_if(value: int) -> str | None:
    return f"{value:,}" if value else None


def _kilobytes(value: float | None) -> str | None:
    return None if value is None else f"{value / 1_000:,.1f} kB"


def _rate(value: float | None) -> str | None:
    return None if value is None else f"{value:,.1f} B/s"


def _seconds(value: float | None) -> str | None:
    if value is None:
        return None
    return f"{value * 1_000:,.0f} ms" if value < 1 else f"{value:,.2f} s"


def _spread(spread: Quantiles | None) -> str | None:
    if spread is None:
        return None
    return f"median {_seconds(spread.median)}, p99 {_seconds(spread.p99)}, max {_seconds(spread.max)}"


def reproduction(violation: ViolationRecord) -> str | None:
    """Returns the command that reproduces a violation, if its record has one."""
    recipe = violation.details.get("reproduce")
    command = recipe.get("command") if isinstance(recipe, dict) else None
    return command if isinstance(command, str) else None


def describe(details: Mapping[str, object]) -> str:
    """Returns a short text with the fields of an action or a violation."""
    text = ", ".join(f"{key} {_brief(value)}" for key, value in details.items() if key not in _LONG)
    return text if len(text) <= 200 else text[:199] + "…"


def _brief(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        shown = ", ".join(_brief(item) for item in value[:8])
        return f"[{shown}{', …' if len(value) > 8 else ''}]"
    return str(value)


def summary_table(report: Report) -> Table:
    """Builds the summary as a table for the terminal."""
    title = "simulation" if report.is_complete else "simulation, interrupted: what there is"
    table = Table(title=title, show_header=False, title_justify="left", highlight=False)
    table.add_column("what", style="bold")
    table.add_column("value")
    for name, text in summary_rows(report):
        table.add_row(name, Text(text))
    return table


def print_summary(report: Report, console: Console) -> None:
    """Prints the summary and the first violations, if there are any."""
    console.print(summary_table(report))
    for violation in report.violations[:_SHOWN_VIOLATIONS]:
        moment = "" if violation.t is None else f" at {violation.t:.3f} s"
        console.print(
            f"{violation.what}{moment}: {describe(violation.details)}", style="red", markup=False, highlight=False
        )
        if command := reproduction(violation):
            console.print(f"  reproduce: {command}", markup=False, highlight=False, soft_wrap=True)
    if len(report.violations) > _SHOWN_VIOLATIONS:
        console.print(f"and {len(report.violations) - _SHOWN_VIOLATIONS} more")
