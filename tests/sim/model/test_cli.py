"""`mycelium-sim model`."""

import msgspec
import pytest

from sim.cli import main


def test_a_table_has_a_row_for_each_number_of_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "--nodes", "100,200", "--scope", "10"]) == 0
    out = capsys.readouterr().out
    assert "landmarks" in out
    assert [line.split()[0] for line in out.splitlines() if line[:1].isdigit() or line.strip()[:1].isdigit()] == [
        "100",
        "200",
    ]


def test_json_has_all_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "--nodes", "100", "--scope", "10", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert set(msgspec.json.decode(line)) >= {"nodes", "rows", "first", "met", "exact", "start_bytes"}


@pytest.mark.parametrize("nodes", ["", "x", "1", "3000000"])
def test_numbers_out_of_range_are_refused(nodes: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "--nodes", nodes]) == 2
    assert "not numbers between 2 and 2000000" in capsys.readouterr().err
