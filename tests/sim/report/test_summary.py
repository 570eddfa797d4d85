"""The summary: every figure says what it is and has its unit."""

import io
import math
import re
from typing import Any

import pytest
from rich.console import Console

from sim.report.report import Report, collect
from sim.report.summary import key_rows, number_rows, print_summary
from tests.sim.fake import fake_records

REPR = re.compile(r"\b(None|True|False|nan|inf)\b|[\[\]{}()]'|e[+-]\d\d")


def printed(report: Report) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    print_summary(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_summary_names_what_an_operator_looks_for() -> None:
    report = collect(fake_records(nodes=60))
    rows, numbers = dict(key_rows(report)), dict(number_rows(report))
    assert numbers["topology"] == "ba, 60 nodes, 116 links"
    assert rows["all pairs converged"].endswith(" s")
    assert re.fullmatch(r"median 2\d\d ms, p99 .*, 40 outages", rows["outage of flows"])
    assert numbers["forwarding loops"] == "0"
    assert numbers["peak memory"] == "120 MiB"
    traffic = "mean 7.5 B/s, p99 11.0 B/s, most 90.0 B/s; of the mean frames 5.0 B/s, digests 2.5 B/s"
    assert numbers["control traffic per node, idle"] == traffic


@pytest.mark.parametrize(("fidelity", "how"), [("routing", "assumed"), ("node", "measured")])
def test_what_was_assumed_is_told_apart_from_what_was_measured(fidelity: str, how: str) -> None:
    records = [{**record, "fidelity": fidelity} if record["type"] == "run" else record for record in fake_records()]
    rows = dict(key_rows(collect(records)))
    assert rows[f"detection ({how})"] == "200 ms, from the fault to its detection"
    assert re.match(r"median \d+(\.\d+)? ms, p99", rows["repair (measured)"])
    assert ("outages as long as the assumed detection" in rows) == (how == "assumed")


def test_the_share_of_outages_that_are_the_assumption_and_nothing_else_is_told() -> None:
    outages = [
        {
            "type": "outage",
            "flow": [0, number],
            "outage_s": 0.2 + repair,
            "after_detection_s": repair,
            "repair_s": repair,
        }
        for number, repair in enumerate((0.0, 0.0, 0.0, 0.1))
    ]
    rows = dict(key_rows(collect([{"type": "run", "fidelity": "routing"}, *outages])))
    assert rows["outages as long as the assumed detection"] == "75.0%: their repair was ready before"


def test_promised_figures_are_words_with_units() -> None:
    summary = {
        "type": "summary",
        "figures": {"outage_max_s": 0.3617, "ping_loss": 0.0125, "hop_limit": 0, "new_one": 3},
        "promises": {"outage_max_s": 3.0},
    }
    rows = dict(key_rows(collect([summary])))
    assert rows["longest outage of a flow while there was a path"] == "362 ms (promised: at most 3.00 s)"
    assert rows["packets lost"] == "1.2%"
    assert rows["trains dropped at their hop limit"] == "0"
    assert rows["new_one"] == "3"


@pytest.mark.parametrize("values", [[1.0] * 9, [1.0, 1.4]])
def test_paths_are_told_in_one_line(values: list[float]) -> None:
    rows = dict(key_rows(collect([{"type": "stretch", "values": values}])))
    expected = {
        9: "100.0% of 9 pairs use a shortest path",
        2: "50.0% of 2 pairs use a shortest path, the worst has 1.4",
    }
    assert rows["paths"].startswith(expected[len(values)])


ODD: list[dict[str, Any]] = [
    {"type": "run", "nodes": 2, "parameters": {"a": None, "is_told": True, "loss": 0.5, "x": 0.001}},
    {
        "type": "action",
        "t": math.nan,
        "what": "cut",
        "link": [0, 1],
        "one_way": False,
        "is_told": True,
        "delay_s": None,
    },
    {"type": "action", "t": 1.0, "what": "idle", "s": 3, "bytes_per_node_per_s": math.inf},
    {"type": "outage", "flow": [0, 1], "outage_s": math.nan, "after_detection_s": math.inf},
    {"type": "summary", "converged_s": math.nan, "bytes_per_node": math.inf, "figures": {"ping_loss": math.nan}},
]


def test_no_value_is_printed_that_is_none() -> None:
    assert REPR.search(printed(collect(ODD))) is None
    assert REPR.search(printed(collect(fake_records()))) is None


@pytest.mark.parametrize(
    "missing", ["run", "action", "sample", "outage", "traffic", "node", "stretch", "map", "summary"]
)
def test_a_missing_type_of_record_is_borne(missing: str) -> None:
    assert printed(collect(record for record in fake_records() if record["type"] != missing))


def test_violations_are_printed_the_first_ones_in_full() -> None:
    report = collect({"type": "violation", "t": 1.5, "what": "loop", "nodes": [1, 2, 1, number]} for number in range(8))
    text = printed(report)
    assert "loop at 1.500 s: nodes 1, 2, 1, 0" in text
    assert "and 3 more" in text


def test_a_violation_tells_how_to_see_it_again() -> None:
    recipe = {"command": "mycelium-sim run --seed 7", "steps": [{"do": "start"}]}
    text = printed(
        collect([{"type": "violation", "t": 1.5, "what": "loop", "reproduce": recipe, "last_events": ["x"] * 99}])
    )
    assert text.endswith("loop at 1.500 s: \n  reproduce: mycelium-sim run --seed 7\n")
