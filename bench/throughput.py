"""How fast a line of hosts carries TCP, UDP and pings: direct, through relays, over lossy and slow links, and after load.

    ./dev bench throughput --runs 5
    ./dev bench throughput --systems limit mycelium nebula wireguard-go yggdrasil tinc --json results.jsonl
    ./dev bench throughput --systems mycelium mycelium-leased --only relay   # by the daemon of a relay, and by its kernel

As root: every host is a network namespace of this machine, every link a veth pair. Systems take turns, so that a change in
the machine's mood hits all of them. `limit` is a forwarder in C without a cipher: the ceiling of a tunnel of this kind; the
column of that name compares with its figure for a direct line. The column `mycelium` says how many times a system's figure
this daemon's is. Both ends on one processor may make half of what they make on two: standard error tells how long they were.
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from typing import Final

from bench.support.machine import Machine
from bench.support.measures import MEASURES, Measure
from bench.support.report import Row, print_table, progress, summary, write_json_lines
from bench.support.sharing import Sharing
from bench.support.systems import NUMBERS_OF_RELAYS, SYSTEMS, is_installed
from tests.lab.laboratory import Lab

OURS: Final = "mycelium"
LIMIT: Final = "limit"
COLUMNS: Final = ("measure", "system", "median", "least", "most", "unit", "runs", LIMIT, OURS)

Values = dict[tuple[str, str], list[float]]  # by names of measure and system


def main() -> None:
    """Measures and reports."""
    given = _arguments()
    chosen = [measure for measure in MEASURES if any(text in measure.name for text in given.only)]
    values: Values = {}
    machine = Machine()
    for run in range(given.runs):
        for system in given.systems:
            label = f"run {run + 1} of {given.runs}"
            try:
                _measure_system(system, chosen, given.seconds, values, label)
            except AssertionError as error:  # what one system can't do hides nothing of the others
                progress(f"{label}: {system} failed: {error}")
            machine.calibrate()
    rows = [
        _row(measure, system, values)
        for measure in chosen
        for system in given.systems
        if (measure.name, system) in values
    ]
    print_table(rows, COLUMNS)
    print(*machine.report(), sep="\n")
    write_json_lines(rows, given.json)


def _measure_system(system: str, measures: list[Measure], seconds: float, values: Values, label: str) -> None:
    """Takes every measure once; measures under the same conditions share a line."""
    for conditions in dict.fromkeys(measure.conditions for measure in measures):
        if conditions.relays not in NUMBERS_OF_RELAYS.get(system, (conditions.relays,)):
            continue
        with Lab() as lab, tempfile.TemporaryDirectory() as directory:
            line = SYSTEMS[system](lab, Path(directory), conditions.relays)
            conditions.apply(line, seconds)
            for measure in measures:
                if measure.conditions == conditions:
                    with Sharing(line) as sharing:
                        value = measure.take(line, seconds)
                    values.setdefault((measure.name, system), []).append(value)
                    taken = f"{measure.name}, {system}: {value:.3f} {measure.unit}"
                    progress(f"{label}: {taken}; both ends on one processor {sharing.share:.0%} of the time")


def _row(measure: Measure, system: str, values: Values) -> Row:
    taken = values[measure.name, system]
    limit = values.get((measure.against or measure.name, LIMIT))
    ours = values.get((measure.name, OURS))
    row: Row = {"measure": measure.name, "system": system, "unit": measure.unit, **summary(taken)}
    if limit:
        row[LIMIT] = statistics.median(taken) / statistics.median(limit)
    if ours and system != OURS:
        row[OURS] = statistics.median(ours) / statistics.median(taken)
    return row


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", choices=sorted(SYSTEMS), default=[OURS])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each TCP and UDP measurement")
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="TEXT", help="measures whose name contains one of these"
    )
    parser.add_argument(
        "--path",
        nargs="+",
        type=Path,
        default=[],
        metavar="DIR",
        help="where to look for others' programs before $PATH",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where to write JSON lines; standard output otherwise"
    )
    given = parser.parse_args()
    os.environ["PATH"] = ":".join([*(str(folder.resolve()) for folder in given.path), os.environ["PATH"]])
    missing = [system for system in given.systems if not is_installed(system)]
    if missing:
        parser.error(f"not installed: {', '.join(missing)}")
    return given


if __name__ == "__main__":
    main()
