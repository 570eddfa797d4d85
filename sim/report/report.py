"""Collects the records of a complete or interrupted run.

A killed run leaves no summary and perhaps an incomplete line. Its report is made of the other records and says so.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from mycelium.errors import ConfigError

from ..quantiles import quantiles
from .records import (
    ActionRecord,
    MapRecord,
    NodeRecord,
    OutageRecord,
    RunRecord,
    SampleRecord,
    StretchRecord,
    SummaryRecord,
    TalkRecord,
    TrafficRecord,
    ViolationRecord,
    WayRecord,
)

_Record = TypeVar("_Record", bound=msgspec.Struct)


class Report:
    """All records of one run by type; `unread` counts lines and records that could not be used."""

    __slots__ = (
        "actions",
        "last_summary",
        "map",
        "met",
        "nodes",
        "outages",
        "places",
        "run",
        "samples",
        "stretch",
        "talks",
        "traffic",
        "unread",
        "violations",
        "ways",
    )

    def __init__(self) -> None:
        self.run = RunRecord()
        self.actions: list[ActionRecord] = []
        self.samples: list[SampleRecord] = []
        self.outages: list[OutageRecord] = []
        self.ways: list[WayRecord] = []
        self.talks: list[TalkRecord] = []
        self.traffic: list[TrafficRecord] = []
        self.nodes: list[NodeRecord] = []
        self.stretch: list[float] = []
        self.met: list[float] = []  # stretch once both ends have met
        self.map: MapRecord | None = None
        self.places: dict[int, tuple[float, float]] | None = None  # of all nodes, once the map has been drawn
        self.violations: list[ViolationRecord] = []
        self.last_summary: SummaryRecord | None = None
        self.unread = 0

    def add(self, record: Mapping[str, object]) -> None:
        """Adds a record without its NaNs and infinities; those of unknown types or with invalid fields are counted only."""
        try:
            _TAKE[str(record.get("type"))](self, _finite(record))
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

    def repair_seconds(self) -> list[float]:
        """Returns how long routing took once the fault was detected and the mesh had a path, of all outages that have ended."""
        return [outage.repair_s for outage in self.outages if outage.repair_s is not None]

    def pathless_seconds(self) -> list[float]:
        """Returns how long the mesh had no path after the detection, for all outages that have ended."""
        return [
            round(outage.after_detection_s - outage.repair_s, 6)
            for outage in self.outages
            if outage.after_detection_s is not None and outage.repair_s is not None
        ]

    def detection_seconds(self) -> list[float]:
        """Returns the durations from the fault to its detection, of all outages that have ended."""
        return [
            outage.outage_s - outage.after_detection_s
            for outage in self.outages
            if outage.outage_s is not None and outage.after_detection_s is not None
        ]

    @property
    def is_detection_assumed(self) -> bool:
        """Tells whether faults are noticed after a set time, and not by what nodes do."""
        return self.run.fidelity == "routing"


def _finite(value: Any) -> Any:
    """Returns a value without the infinities and NaNs that are in it."""
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items() if not _is_no_number(one)}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value if not _is_no_number(one)]
    return value


def _is_no_number(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _read(record: Mapping[str, object], kind: type[_Record]) -> _Record:
    return msgspec.convert(record, kind, str_keys=True)


def _take_action(report: Report, record: Mapping[str, object]) -> None:
    report.actions.append(msgspec.structs.replace(_read(record, ActionRecord), details=_details(record)))


def _take_violation(report: Report, record: Mapping[str, object]) -> None:
    report.violations.append(msgspec.structs.replace(_read(record, ViolationRecord), details=_details(record)))


def _take_stretch(report: Report, record: Mapping[str, object]) -> None:
    found = _read(record, StretchRecord)
    report.stretch.extend(found.values)
    report.met.extend(found.met)


def _details(record: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in record.items() if key not in ("type", "t", "what")}


_TAKE: Final[dict[str, Callable[[Report, Mapping[str, object]], None]]] = {
    "run": lambda report, record: setattr(report, "run", _read(record, RunRecord)),
    "action": _take_action,
    "sample": lambda report, record: report.samples.append(_read(record, SampleRecord)),
    "outage": lambda report, record: report.outages.append(_read(record, OutageRecord)),
    "way": lambda report, record: report.ways.append(_read(record, WayRecord)),
    "talk": lambda report, record: report.talks.append(_read(record, TalkRecord)),
    "traffic": lambda report, record: report.traffic.append(_read(record, TrafficRecord)),
    "node": lambda report, record: report.nodes.append(_read(record, NodeRecord)),
    "stretch": _take_stretch,
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


def reproduction(violation: ViolationRecord) -> str | None:
    """Returns the command that reproduces a violation, if its record has one."""
    recipe = violation.details.get("reproduce")
    command = recipe.get("command") if isinstance(recipe, dict) else None
    return command if isinstance(command, str) else None
