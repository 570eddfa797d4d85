"""The tables of a sweep."""

import csv
import io
from pathlib import Path

from rich.console import Console

from sim.play.run import RunSpec
from sim.sweep.cli import run_sweep
from sim.sweep.sweep import carry_out, make_specs
from tests.sim import fake
from tests.sim.sweep.support import HerePool, quiet_sweep

BASE = RunSpec(topology="ring", nodes=10, scenario="cut")


def test_the_csv_has_a_row_a_run_with_settings_and_nested_measures(tmp_path: Path) -> None:
    quiet_sweep(make_specs(BASE, {"nodes": [20, 10], "scale": [1.0, 2.0]}, [1, 0]), HerePool(), tmp_path)
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    order = [(int(row["nodes"]), float(row["scale"]), int(row["seed"])) for row in rows]
    assert order == [(nodes, scale, seed) for nodes in (10, 20) for scale in (1.0, 2.0) for seed in (0, 1)]
    assert all(float(row["outage_s.median"]) > 0.2 for row in rows)
    assert {row["error"] for row in rows} == {""}


def test_the_printed_table_has_medians_across_seeds_for_each_setting(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=160)
    specs = make_specs(BASE, {"nodes": [10, 20]}, [0, 1, 2])
    run_sweep(specs, HerePool(), tmp_path, console=console, settings=["nodes"], runner=fake.run)
    middle = sorted(summaries_of(specs, nodes=10, measure="converged_s"))
    assert isinstance(console.file, io.StringIO)
    (line,) = [line for line in console.file.getvalue().splitlines() if line.split()[:1] == ["10"]]
    assert line.split()[:5] == ["10", "3", f"{middle[1]:.2f}", "/", f"{middle[2]:.2f}"]


def summaries_of(specs: list[RunSpec], *, nodes: int, measure: str) -> list[float]:
    found = (carry_out(spec, fake.run).summary for spec in specs if spec.nodes == nodes)
    return [summary[measure] for summary in found if summary is not None]
