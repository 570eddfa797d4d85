"""The model of routing for Spin (`routing.pml`): what is searched of it, and its traces replayed with our engines.

A trace has a line for each event: what, between which nodes, and behind it next hop, metric, feasibility distance and holders
of nodes 1 to 3.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple
from unittest.mock import patch

from msgspec.structs import replace

from mycelium.routing.destination import Destination
from mycelium.wire.announcement import EPOCH_SHIFT
from mycelium.wire.control import SeqnoRequest
from mycelium.wire.distance import INFINITY, NO_SOURCE, metric_of, sequence_of
from tests.prove import explorer
from tests.prove.explorer import DESTINATION, NOW, Event, State, begin
from tests.routing.engines import address

MODEL: Final = Path(__file__).with_name("routing.pml")
TRACES: Final = Path(__file__).with_name("routing_traces.txt")
LINKS: Final = {(0, 1): 2, (1, 2): 2, (2, 3): 2, (0, 3): 3, (0, 2): 6}  # those of the model
NODES: Final = (1, 2, 3)
WITHOUT_RESUMPTION: Final = replace(explorer.AT_ONCE, resumed_s=0.0)  # which the model leaves out
SEEDS: Final = 3  # traces of each kind
STEPS: Final = 30_000  # of a trace, in Spin's count
SPIN_S: Final = 600
MODEL_EPOCH: Final = 8  # sequences of one start of the origin
MODEL_SEQUENCES: Final = 31
MODEL_NO_SOURCE: Final = 4096
NO_HOP: Final = 255
NO_METRIC: Final = 63

Tables = tuple[tuple[int, int, int, int], ...]  # next hop, metric, feasibility distance, holders (bits) of each node


class Line(NamedTuple):
    """An event of a trace, and the tables after it."""

    what: str
    one: int
    other: int
    tables: Tables


SEARCHES: Final = (
    "-DCUTS=1 -DMENDS=1 -DBUMPS=1",
    "-DCUTS=2 -DSUSPECTS=1",
    "-DCUTS=1 -DEXPIRIES=2 -DSUSPECTS=1",
    "-DRESTARTS=1",
    "-DLIAR=1 -DCUTS=1 -DMENDS=1 -DBUMPS=1",
    "-DLIAR=3 -DCUTS=2 -DSUSPECTS=1",
)
CARELESS: Final = "-DCUTS=2 -DCARELESS"  # without feasibility, so that a train goes in circles
TRACED: Final = (
    "-DCUTS=2",
    "-DCUTS=1 -DMENDS=1 -DBUMPS=1",
    "-DSUSPECTS=3",
    "-DCUTS=2 -DMENDS=2 -DBUMPS=1 -DSUSPECTS=1",
    "-DRESTARTS=2",
)


def search_model(defines: str) -> tuple[int, bool]:
    """Looks at all states of the model; returns how many there are, and whether all of them are right."""
    with TemporaryDirectory() as directory:
        for command in (
            ("spin", "-a", *defines.split(), str(MODEL)),
            ("gcc", "-O1", "-w", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"),
            ("./pan", "-m1000000"),
        ):
            run = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True, timeout=SPIN_S)
    states = next(line.split()[0] for line in run.stdout.splitlines() if line.endswith("states, stored"))
    return int(float(states)), "errors: 0" in run.stdout


def record() -> str:
    """Returns traces that Spin's dice make."""
    traces = []
    for defines in TRACED:
        for seed in range(1, SEEDS + 1):
            command = ("spin", "-DTRACE", *defines.split(), f"-n{seed}", f"-u{STEPS}", "-B", str(MODEL))
            output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SPIN_S).stdout
            lines = [" ".join(line.split()) for line in output.splitlines() if "," in line]
            traces.append("\n".join([f"# {defines}", *lines, ""]))
    return "\n".join(traces)


def traces(text: str) -> Iterator[list[Line]]:
    """Yields recorded traces."""
    for trace in text.split("#")[1:]:
        yield [_line(line) for line in trace.splitlines()[1:] if line]


def _line(text: str) -> Line:
    what, one, other, *tables = text.split()
    values = [tuple(map(int, table.split(","))) for table in tables]
    return Line(what.lower(), int(one), int(other), tuple((a, b, c, d) for a, b, c, d in values))


def replayed(trace: list[Line]) -> Iterator[tuple[Line, Tables]]:
    """Yields each event of a trace, with the tables of our engines after it."""
    with patch.object(explorer, "AT_ONCE", WITHOUT_RESUMPTION):
        yield from _replayed(begin(LINKS, {}), trace)


def _replayed(state: State, trace: list[Line]) -> Iterator[tuple[Line, Tables]]:
    for line in trace:
        state = (
            _bumped(state, line.other) if line.what == "bump" else state.after(Event(line.what, (line.one, line.other)))
        )
        _drop_requests(state)
        yield line, tuple(_table(state, node) for node in NODES)


def _bumped(state: State, asker: int) -> State:
    """Returns the state after a neighbour has asked the origin for a newer sequence."""
    state = state.copy()
    origin = state._own(0)
    origin.receive(address(asker), [SeqnoRequest(DESTINATION, origin.sequence + 1, 64)], now=NOW)
    state._flush(0)
    return state


def _drop_requests(state: State) -> None:
    """Takes out what the model leaves out."""
    for edge, queue in state.queues.items():
        kept = ((session, tuple(one for one in batch if not isinstance(one, SeqnoRequest))) for session, batch in queue)
        state.queues[edge] = tuple((session, batch) for session, batch in kept if batch)


def _table(state: State, node: int) -> tuple[int, int, int, int]:
    table = state.engines[node]._table
    row = table.rows.get(DESTINATION)
    if row is None:
        return NO_HOP, NO_METRIC, MODEL_NO_SOURCE, 0
    names = {one.slot: int.from_bytes(one.address[2:8], "big") for one in table.by_address.values()}
    holders = sum(1 << name for slot, name in names.items() if row.holders >> slot & 1)
    metric = NO_METRIC if row.metric == INFINITY else row.metric
    return names.get(row.selected, NO_HOP), metric, _feasibility(row), holders


def _feasibility(row: Destination) -> int:
    if row.feasibility_distance == NO_SOURCE:
        return MODEL_NO_SOURCE
    sequence, metric = sequence_of(row.feasibility_distance), metric_of(row.feasibility_distance)
    epoch, counter = sequence >> EPOCH_SHIFT, sequence & (1 << EPOCH_SHIFT) - 1
    return (MODEL_SEQUENCES - epoch * MODEL_EPOCH - counter) * 64 + metric
