"""Real daemons under load for minutes: is a link wrongly taken for dead, does a route change without need?

    ./dev bench soak --shape link --seconds 600
    ./dev bench soak --shape mesh --seconds 600 --trace rtt.csv

`link` saturates a link between two daemons by four TCP streams and stops one of the daemons for 200 ms every ten seconds or so;
`limited` does the same to a link of 50 Mbit/s with a queue of 100 ms. `mesh` sends four TCP streams across twenty daemons in
a random graph, whose links have delays of their own and 50 Mbit/s; with `--plain` nothing but the processor limits them.
`mixed` sends TCP and datagrams of mixed sizes both ways over a link whose MTU, loss and rate change every few seconds.
As root: hosts are network namespaces of this machine, which should have nothing else to do.
"""

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from bench.support.report import Row, print_table, progress, write_json_lines
from bench.support.soak_mixed import ChangingCable, Memory, mixed_traffic
from bench.support.soak_recorder import Recorder, route_changes, worst_minute
from tests.lab.cable_emulator import CableTraits
from tests.lab.daemon import LabDaemon
from tests.lab.laboratory import Lab
from tests.lab.mesh import DaemonMesh, Edge, random_graph
from tests.lab.pauses import Pauses
from tests.lab.ping import ping
from tests.lab.traffic import iperf
from tests.lab.waiting import wait_until

COLUMNS: Final = ("shape", "measure", "value", "unit", "bar")
CONVERGED_SECONDS: Final = 120.0
SETTLED_SECONDS: Final = 40.0  # before the traffic: round trips measured while all daemons started must wear off
STREAMS: Final = 4
PAUSES_APART_S: Final = (8.0, 12.0)  # at random
LIMITED: Final = CableTraits(megabits=50.0, queue_s=0.1)
NODES: Final = 20
EDGES: Final = 32
DELAYS_MS: Final = (1.0, 30.0)  # one way, at random
RATE_MEGABITS: Final = (
    50.0  # of each link: low enough that links are the bottleneck, not the processor that the daemons share
)
QUEUE_S: Final = 0.05
PLAIN_MS: Final = 0.2  # one way between two daemons on a veth cable, roughly

EDGE: Final[list[Edge]] = [("a", "b")]

Rows = list[Row]


def link(lab: Lab, directory: Path, given: argparse.Namespace) -> Rows:
    """Two daemons and an unlimited link."""
    return _two_daemons(lab, directory, given, "link")


def limited(lab: Lab, directory: Path, given: argparse.Namespace) -> Rows:
    """Two daemons and a slow link with a long queue."""
    return _two_daemons(lab, directory, given, "limited")


def mesh(lab: Lab, directory: Path, given: argparse.Namespace) -> Rows:
    """Twenty daemons and links with different delays."""
    rng = random.Random(given.seed)
    edges = random_graph(NODES, EDGES, given.seed)
    delays_ms = [PLAIN_MS if given.plain else round(rng.uniform(*DELAYS_MS), 1) for _ in edges]
    made = DaemonMesh(lab, directory, edges, traits=() if given.plain else _traits(delays_ms, given.link_mbit))
    made.start()
    made.wait_converged(CONVERGED_SECONDS)
    chosen = rng.sample([made[name] for name in sorted(made.daemons)], 2 * STREAMS)
    pairs = list(zip(chosen[:STREAMS], chosen[STREAMS:], strict=True))
    time.sleep(SETTLED_SECONDS)
    recorder = Recorder(made, edges)
    options = ("-b", f"{given.stream_mbit:g}M") if given.stream_mbit else ()
    spent_before, cables_before = _spent(made), lab.emulator_cpu_seconds()
    with ThreadPoolExecutor(STREAMS) as pool:
        streams = [_send(pool, *pair, *options, seconds=given.seconds) for pair in pairs]
        recorder.watch(given.seconds)
    spent, cables_spent = _spent(made), lab.emulator_cpu_seconds()
    cpu = [100 * (late - early) / given.seconds for early, late in zip(spent_before, spent, strict=True)]
    if given.trace is not None:
        recorder.write_trace(given.trace, every_s=given.trace_every)
        _write_graph(given.trace.with_suffix(".json"), edges, delays_ms)
    if given.log is not None:
        recorder.write_log(given.log)
    goodput = [
        _row("mesh", f"goodput {one.name} to {other.name}", _megabits(stream), "Mbit/s")
        for (one, other), stream in zip(pairs, streams, strict=True)
    ]
    return [
        *_route_rows(recorder),
        *_alarm_rows("mesh", recorder),
        *goodput,
        _row("mesh", "processor, all daemons", sum(cpu), "% of a core"),
        _row("mesh", "processor, the busiest", max(cpu), "% of a core"),
        _row("mesh", "processor, cables", 100 * (cables_spent - cables_before) / given.seconds, "% of a core"),
    ]


def mixed(lab: Lab, directory: Path, given: argparse.Namespace) -> Rows:
    """Two daemons and a link that changes."""
    made = DaemonMesh(lab, directory, EDGE)
    made.start()
    made.wait_converged()
    one, other = made["a"], made["b"]
    wait_until(lambda: ping(one.host, other.address, wait=1).received, 10, "the first ping is answered")
    recorder = Recorder(made, EDGE)
    cable = ChangingCable(lab.cables[0], random.Random(given.seed))
    with Memory([one, other]) as memory, mixed_traffic(one, other) as directions, ThreadPoolExecutor(1) as pool:
        changing = pool.submit(cable.run, given.seconds)
        recorder.watch(given.seconds)
        changing.result()
    lost = [at for direction in directions for at in direction.lost()]
    return [
        *_alarm_rows("mixed", recorder),
        _row("mixed", "changes of the cable", cable.changes, ""),
        _row("mixed", "datagrams sent", sum(len(direction.sent_at) for direction in directions), ""),
        _row("mixed", "datagrams lost", len(lost), ""),
        _row("mixed", "of these, not by the link", sum(not cable.is_to_blame(at) for at in lost), "", bar=0),
        _row("mixed", "memory, at most", max(memory.samples, default=0.0), "MiB"),
        _row("mixed", "memory, growth in the last third", memory.growth(), "MiB", bar=1),
    ]


SHAPES: Final[dict[str, Callable[[Lab, Path, argparse.Namespace], Rows]]] = {
    "link": link,
    "limited": limited,
    "mesh": mesh,
    "mixed": mixed,
}


def _two_daemons(lab: Lab, directory: Path, given: argparse.Namespace, shape: str) -> Rows:
    made = DaemonMesh(lab, directory, EDGE, traits=[LIMITED] if shape == "limited" else ())
    made.start()
    made.wait_converged()
    one, other = made["a"], made["b"]
    wait_until(lambda: ping(one.host, other.address, wait=1).received, 10, "the first ping is answered")
    recorder = Recorder(made, EDGE)
    pauses = Pauses([one, other], apart_s=PAUSES_APART_S, rng=random.Random(given.seed))
    with ThreadPoolExecutor(1) as pool, pauses:
        streams = _send(pool, one, other, "-P", str(STREAMS), seconds=given.seconds)
        recorder.watch(given.seconds)
    if given.log is not None:
        recorder.write_log(given.log)
    return [
        *_alarm_rows(shape, recorder),
        _row(shape, "goodput, four streams", _megabits(streams), "Mbit/s"),
        _row(shape, "a daemon was stopped", len(pauses.stopped_s), "times"),
        _row(shape, "for at most", 1_000 * max(pauses.stopped_s, default=0.0), "ms"),
    ]


def _traits(delays_ms: Sequence[float], megabits: float) -> list[CableTraits]:
    return [CableTraits(delay_s=delay_ms / 1_000, megabits=megabits, queue_s=QUEUE_S) for delay_ms in delays_ms]


def _send(
    pool: ThreadPoolExecutor, one: LabDaemon, other: LabDaemon, *options: str, seconds: float
) -> "Future[dict[str, Any]]":
    return pool.submit(iperf, one.host, other.host, other.address, *options, seconds=seconds)


def _spent(made: DaemonMesh) -> list[float]:
    return [daemon.cpu_seconds() for daemon in made.daemons.values()]


def _megabits(stream: "Future[dict[str, Any]]") -> float:
    return float(stream.result()["end"]["sum_received"]["bits_per_second"]) / 1e6


def _write_graph(path: Path, edges: Sequence[Edge], delays_ms: Sequence[float]) -> None:
    """Writes the mesh as the simulator reads it: `mycelium-sim run --topology file:PATH`."""
    names = sorted({name for edge in edges for name in edge}, key=lambda name: int(name[1:]))
    links = [
        {"source": one, "target": other, "delay": round(delay_ms / 1_000, 6)}
        for (one, other), delay_ms in zip(edges, delays_ms, strict=True)
    ]
    graph = {"nodes": [{"id": name} for name in names], "links": links}
    path.write_text(json.dumps(graph, indent=1) + "\n")


def _route_rows(recorder: Recorder) -> Rows:
    changes = route_changes(recorder.events)
    most, where = worst_minute(changes)
    causes = Counter(change.get("cause", "") for change in changes)
    untold = sum(event.get("count", 1) for event in recorder.events if event["kind"] == "routes")
    if where:
        progress(f"most route changes within a minute: {where}")
    return [
        _row("mesh", "route changes, worst destination and minute", most, "", bar=1),
        _row("mesh", "route changes at all nodes", len(changes), ""),
        *(_row("mesh", f"route changes: {cause}", number, "") for cause, number in sorted(causes.items()) if cause),
        _row("mesh", "route changes without a cause", causes[""] + untold + sum(recorder.pushed_out), "", bar=0),
        _row("mesh", "longest time without a route", _longest(changes, "withoutS"), "s"),
    ]


def _alarm_rows(shape: str, recorder: Recorder) -> Rows:
    silences = [event for event in recorder.events if event["kind"] == "link-suspect"]
    return [
        _row(shape, "links wrongly dead", recorder.count("link-down"), "", bar=0),
        _row(shape, "links suspected", len(silences), ""),
        _row(shape, "longest silence of a suspect", _longest(silences, "silentS"), "s"),
        _row(shape, "links restarted", recorder.count("link-restarted"), ""),
        _row(shape, "samples missed", len(recorder.unanswered), ""),
    ]


def _longest(events: Sequence[dict[str, Any]], key: str) -> float:
    return max((event.get(key) or 0.0 for event in events), default=0.0)


def _row(shape: str, measure: str, value: float, unit: str, *, bar: float | None = None) -> Row:
    limit: Row = {} if bar is None else {"bar": bar}
    return {"shape": shape, "measure": measure, "value": value, "unit": unit, **limit}


def main() -> None:
    """Measures and reports."""
    given = _arguments()
    rows: Rows = []
    for shape in given.shape:
        progress(f"{shape}, {given.seconds:g} s")
        with Lab() as lab, tempfile.TemporaryDirectory() as directory:
            rows += SHAPES[shape](lab, Path(directory), given)
    print_table(rows, COLUMNS)
    write_json_lines(rows, given.json)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--seconds", type=float, default=600.0, help="of traffic, each shape")
    parser.add_argument("--seed", type=int, default=1, help="of the graph, its delays, the streams and the stops")
    parser.add_argument(
        "--stream-mbit", type=float, help="limits each stream of the mesh; as fast as it goes otherwise"
    )
    parser.add_argument("--plain", action="store_true", help="links of the mesh as fast and short as they are")
    parser.add_argument("--link-mbit", type=float, default=RATE_MEGABITS, help="rate of each link of the mesh")
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="of the mesh: round trips as CSV, and the graph beside it as JSON"
    )
    parser.add_argument("--trace-every", type=int, default=1, metavar="SECONDS", help="between rows of a link there")
    parser.add_argument("--log", type=Path, metavar="FILE", help="everything the daemons told, as JSON lines")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where to write JSON lines; standard output otherwise"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
