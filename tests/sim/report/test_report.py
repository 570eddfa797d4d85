"""Reports: what a run told of itself comes out whole, and what an interrupted one left is used."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import ConfigError
from sim.quantiles import quantiles
from sim.report.report import collect, read_report
from sim.report.summary import key_rows, number_rows
from sim.report.verdict import verdict
from tests.sim.fake import fake_records


def write(path: Path, records: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_a_whole_run_is_read_with_every_type_of_record(tmp_path: Path) -> None:
    report = read_report(write(tmp_path / "run.jsonl", list(fake_records(topology="geometric"))))
    assert (report.run.topology, report.run.nodes, report.run.scenario) == ("geometric", 60, "cut")
    assert [action.what for action in report.actions] == ["cut"]
    assert (len(report.samples), len(report.outages), len(report.nodes), len(report.stretch)) == (81, 40, 60, 500)
    assert [sent.during for sent in report.traffic] == ["idle"]
    assert report.map is not None
    assert len(report.map.positions) == 60
    assert report.is_complete
    assert report.unread == 0


def test_records_in_memory_and_in_a_file_make_the_same_report(tmp_path: Path) -> None:
    records = list(fake_records(topology="geometric"))
    read = read_report(write(tmp_path / "run.jsonl", records))
    assert (key_rows(collect(records)), number_rows(collect(records))) == (key_rows(read), number_rows(read))


@given(length=st.integers(200, 9_000))
def test_a_file_cut_anywhere_is_read_up_to_there(length: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    content = "".join(json.dumps(record) + "\n" for record in fake_records(nodes=10)).encode()
    path = tmp_path_factory.getbasetemp() / "cut.jsonl"
    path.write_bytes(content[:length])
    report = read_report(path)
    assert report.unread == (0 if content[:length].endswith((b"\n", b"}")) else 1)
    assert report.run.nodes == 10
    assert not report.is_complete
    assert "interrupted" in verdict(report)


def test_without_a_summary_the_report_tells_what_it_can() -> None:
    records = [record for record in fake_records(nodes=20, flows=3) if record["type"] != "summary"]
    records[-1:] = [{"type": "outage", "flow": [1, 2], "start": 7.9, "end": None, "outage_s": None}]
    report = collect(records)
    assert report.summary.converged_s is not None
    assert 2 < report.summary.converged_s < 4
    assert report.summary.outage_s == quantiles(report.outage_seconds())
    assert len(report.outage_seconds()) == 3
    assert dict(key_rows(report))["flows still out at the end"] == "1"


@pytest.mark.parametrize("content", ["", "hello\n", "[1]\n", '{"a": 1}\n'])
def test_a_file_that_tells_of_no_run_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.jsonl").write_text(content)
    with pytest.raises(ConfigError, match=r"run\.jsonl: holds no records"):
        read_report(tmp_path / "run.jsonl")


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"/nowhere\.jsonl: No such file"):
        read_report("/nowhere.jsonl")
