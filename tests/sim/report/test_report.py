"""Reports: what a run told of itself comes out whole, and what an interrupted one left is used."""

import io
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mycelium.errors import ConfigError
from sim.quantiles import Quantiles, quantiles
from sim.report.report import Report, collect, print_summary, read_report, summary_rows
from tests.sim.fake import fake_records


def write(path: Path, records: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def printed(report: Report) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    print_summary(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_whole_run_is_read_with_every_type_of_record(tmp_path: Path) -> None:
    report = read_report(write(tmp_path / "run.jsonl", list(fake_records(topology="geometric"))))
    assert (report.run.topology, report.run.nodes, report.run.scenario) == ("geometric", 60, "cut")
    assert [action.what for action in report.actions] == ["cut"]
    assert (len(report.samples), len(report.outages), len(report.nodes), len(report.stretch)) == (81, 40, 60, 500)
    assert report.map is not None
    assert len(report.map.positions) == 60
    assert report.is_complete
    assert report.unread == 0


def test_records_in_memory_and_in_a_file_make_the_same_report(tmp_path: Path) -> None:
    records = list(fake_records(topology="geometric"))
    assert summary_rows(collect(records)) == summary_rows(read_report(write(tmp_path / "run.jsonl", records)))


def test_the_summary_names_what_an_operator_looks_for() -> None:
    rows = dict(summary_rows(collect(fake_records(nodes=60))))
    assert rows["topology"] == "ba, 60 nodes, 116 links"
    assert rows["all pairs converged"].endswith(" s")
    assert rows["outage of flows"].startswith("median 2")
    assert rows["forwarding loops"] == "0"
    assert rows["peak memory"] == "120 MiB"


@given(length=st.integers(200, 9_000))
def test_a_file_cut_anywhere_is_read_up_to_there(length: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    content = "".join(json.dumps(record) + "\n" for record in fake_records(nodes=10)).encode()
    path = tmp_path_factory.getbasetemp() / "cut.jsonl"
    path.write_bytes(content[:length])
    report = read_report(path)
    assert report.unread == (0 if content[:length].endswith((b"\n", b"}")) else 1)
    assert report.run.nodes == 10
    assert not report.is_complete
    assert "interrupted" in printed(report)


def test_without_a_summary_the_report_tells_what_it_can() -> None:
    records = [record for record in fake_records(nodes=20, flows=3) if record["type"] != "summary"]
    records[-1:] = [{"type": "outage", "flow": [1, 2], "start": 7.9, "end": None, "outage_s": None}]
    report = collect(records)
    assert report.summary.converged_s is not None
    assert 2 < report.summary.converged_s < 4
    assert report.summary.outage_s == quantiles(report.outage_seconds())
    assert len(report.outage_seconds()) == 3
    assert dict(summary_rows(report))["flows still out at the end"] == "1"


@pytest.mark.parametrize("missing", ["run", "action", "sample", "outage", "node", "stretch", "map", "summary"])
def test_a_missing_type_of_record_is_borne(missing: str) -> None:
    assert printed(collect(record for record in fake_records() if record["type"] != missing))


def test_unknown_and_malformed_records_are_counted_and_passed_over() -> None:
    report = collect(
        [{"type": "weather"}, {}, {"type": "node"}, {"type": "sample", "t": "late"}, {"type": "run", "nodes": 5}]
    )
    assert report.unread == 4
    assert report.run.nodes == 5
    assert dict(summary_rows(report))["records passed over"] == "4"


def test_an_unknown_field_is_passed_over() -> None:
    report = collect([{"type": "node", "node": 3, "degree": 2, "shoe_size": 43}])
    assert [node.degree for node in report.nodes] == [2]


def test_violations_are_printed_the_first_ones_in_full() -> None:
    report = collect({"type": "violation", "t": 1.5, "what": "loop", "nodes": [1, 2, 1, number]} for number in range(8))
    text = printed(report)
    assert "loop at 1.500 s: nodes [1, 2, 1, 0]" in text
    assert "and 3 more" in text


def test_a_violation_tells_how_to_see_it_again() -> None:
    recipe = {"command": "mycelium-sim run --seed 7", "steps": [{"do": "start"}]}
    text = printed(
        collect([{"type": "violation", "t": 1.5, "what": "loop", "reproduce": recipe, "last_events": ["x"] * 99}])
    )
    assert text.endswith("loop at 1.500 s: \n  reproduce: mycelium-sim run --seed 7\n")


@pytest.mark.parametrize("content", ["", "hello\n", "[1]\n", '{"a": 1}\n'])
def test_a_file_that_tells_of_no_run_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.jsonl").write_text(content)
    with pytest.raises(ConfigError, match=r"run\.jsonl: holds no records"):
        read_report(tmp_path / "run.jsonl")


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"/nowhere\.jsonl: No such file"):
        read_report("/nowhere.jsonl")


def test_quantiles_are_values_that_occurred() -> None:
    assert quantiles([]) is None
    assert quantiles([7.0]) == Quantiles(median=7.0, p99=7.0, max=7.0)
    assert quantiles([float(value) for value in range(200, 0, -1)]) == Quantiles(median=100.0, p99=198.0, max=200.0)


@given(values=st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_at_least_half_of_the_values_are_not_above_the_median_and_99_percent_not_above_p99(values: list[float]) -> None:
    spread = quantiles(values)
    assert spread is not None
    for bound, share in ((spread.median, 0.5), (spread.p99, 0.99), (spread.max, 1.0)):
        assert sum(value <= bound for value in values) >= share * len(values)
        below = itertools.filterfalse(lambda value, bound=bound: value >= bound, values)  # type: ignore[misc]
        assert len(list(below)) < share * len(values)
