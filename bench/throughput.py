"""How fast a line of hosts carries TCP, UDP and pings: direct, through relays, and over a lossy link.

    ./dev bench throughput --runs 5
    ./dev bench throughput --systems mycelium wireguard-go yggdrasil veth --json results.jsonl
    ./dev bench throughput --systems mycelium mycelium-leased --only relay   # by the daemon of a relay, and by its kernel

As root: every host is a network namespace of this machine, every link a veth pair. Systems take turns, so that a change in
the machine's mood hits all of them.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.support.report import Row, print_table, progress, summary, write_json_lines
from bench.support.systems import NUMBERS_OF_RELAYS, SYSTEMS, Line, is_installed
from tests.lab.laboratory import Lab
from tests.lab.ping import ping
from tests.lab.traffic import iperf

COLUMNS: Final = ("measure", "system", "median", "least", "most", "unit", "runs")


@dataclass(frozen=True)
class Measure:
    """One figure, taken on a line with this number of relays and this loss."""

    name: str
    unit: str
    take: Callable[[Line, float], float]
    relays: int = 0
    loss_percent: float = 0.0


def tcp(*options: str) -> Callable[[Line, float], float]:
    """Measures TCP throughput in Gbit/s, the sum of both directions."""

    def take(line: Line, seconds: float) -> float:
        end = _iperf(line, seconds, *options)
        received = end["sum_received"]["bits_per_second"]
        back = end.get("sum_received_bidir_reverse", {}).get("bits_per_second", 0.0)
        return float(received + back) / 1e9

    return take


def udp(size: int) -> Callable[[Line, float], float]:
    """Measures delivered datagrams, in thousands per second, under a flood."""

    def take(line: Line, seconds: float) -> float:
        total = _iperf(line, seconds, "-u", "-b", "0", "-l", str(size))["sum"]
        return float(total["packets"] - total["lost_packets"]) / float(total["seconds"]) / 1e3

    return take


def round_trip(line: Line, seconds: float) -> float:
    """Measures the average of 200 pings 10 ms apart, in ms."""
    return ping(line.first, line.address, count=200, interval=0.01).average_ms


def _iperf(line: Line, seconds: float, *options: str) -> dict[str, Any]:
    return dict(iperf(line.first, line.last, line.address, *options, seconds=seconds)["end"])


MEASURES: Final = (
    Measure("TCP one stream", "Gbit/s", tcp()),
    Measure("TCP four streams", "Gbit/s", tcp("-P", "4")),
    Measure("TCP both directions", "Gbit/s", tcp("--bidir")),
    Measure("UDP 64 B flood", "k/s", udp(64)),
    Measure("UDP 1,200 B flood", "k/s", udp(1_200)),
    Measure("ping", "ms", round_trip),
    Measure("TCP through one relay", "Gbit/s", tcp(), relays=1),
    Measure("ping through one relay", "ms", round_trip, relays=1),
    Measure("TCP through three relays", "Gbit/s", tcp(), relays=3),
    Measure("ping through three relays", "ms", round_trip, relays=3),
    Measure("TCP with 1 % loss", "Gbit/s", tcp(), loss_percent=1.0),
    Measure("TCP with 5 % loss", "Gbit/s", tcp(), loss_percent=5.0),
)


def main() -> None:
    """Measures and reports."""
    given = _arguments()
    chosen = [measure for measure in MEASURES if given.only in measure.name]
    values: dict[tuple[Measure, str], list[float]] = {}
    for run in range(given.runs):
        for system in given.systems:
            _measure_system(system, chosen, given.seconds, values, f"run {run + 1} of {given.runs}")
    rows: list[Row] = [
        {"measure": measure.name, "system": system, "unit": measure.unit, **summary(values[measure, system])}
        for measure in chosen
        for system in given.systems
        if (measure, system) in values
    ]
    print_table(rows, COLUMNS)
    write_json_lines(rows, given.json)


def _measure_system(
    system: str,
    measures: list[Measure],
    seconds: float,
    values: dict[tuple[Measure, str], list[float]],
    label: str,
) -> None:
    """Takes every measure once; measures that need the same kind of line share one."""
    for relays, loss in dict.fromkeys((measure.relays, measure.loss_percent) for measure in measures):
        if relays not in NUMBERS_OF_RELAYS.get(system, (relays,)):
            continue
        with Lab() as lab, tempfile.TemporaryDirectory() as directory:
            line = SYSTEMS[system](lab, Path(directory), relays)
            if loss:
                for cable in line.cables:
                    cable.lose(loss)
            for measure in measures:
                if (measure.relays, measure.loss_percent) == (relays, loss):
                    value = measure.take(line, seconds)
                    values.setdefault((measure, system), []).append(value)
                    progress(f"{label}: {measure.name}, {system}: {value:.3f} {measure.unit}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", choices=sorted(SYSTEMS), default=["mycelium"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each TCP and UDP measurement")
    parser.add_argument("--only", default="", metavar="TEXT", help="measures whose name contains this")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where to write JSON lines; standard output otherwise"
    )
    given = parser.parse_args()
    missing = [system for system in given.systems if not is_installed(system)]
    if missing:
        parser.error(f"not installed: {', '.join(missing)}")
    return given


if __name__ == "__main__":
    main()
