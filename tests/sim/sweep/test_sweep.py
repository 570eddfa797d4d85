"""Sweeps: every combination once, nothing lost to a dead worker, a crash or Ctrl-C, and one table of it all."""

import contextlib
import csv
import io
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mycelium.errors import ConfigError
from sim.play.run import RunSpec
from sim.sweep.cli import FAULTY, run_sweep
from sim.sweep.pools import DaskPool, ProcessPool
from sim.sweep.store import ResultStore
from sim.sweep.sweep import Result, Runner, carry_out, make_specs, parse_seeds, parse_settings, run_key, sweep
from tests.sim import fake

BASE = RunSpec(topology="ring", nodes=10, scenario="cut")


class HerePool:
    """Runs in this process, and can be interrupted after a number of runs as by Ctrl-C."""

    def __init__(self, *, interrupt_after: int | None = None) -> None:
        self.runs: list[RunSpec] = []
        self._interrupt_after = interrupt_after

    def results(self, runner: Runner, specs: Sequence[RunSpec]) -> Generator[Result, None, None]:
        for spec in specs:
            if len(self.runs) == self._interrupt_after:
                raise KeyboardInterrupt
            self.runs.append(spec)
            yield carry_out(spec, runner)


def specs_of(seeds: int, **parameters: Any) -> list[RunSpec]:
    return [
        RunSpec(topology="ring", nodes=10, scenario="cut", seed=seed, parameters=parameters) for seed in range(seeds)
    ]


def quiet_sweep(specs: list[RunSpec], pool: Any, out: Path, runner: Runner = fake.run) -> int:
    return run_sweep(specs, pool, out, console=Console(quiet=True), settings=[], runner=runner)


def results_of(pool: Any, runner: Runner, specs: list[RunSpec]) -> dict[int, Result]:
    return {result.spec.seed: result for result in pool.results(runner, specs)}


def summaries(out: Path) -> dict[int, dict[str, Any]]:
    with ResultStore(out) as store:
        return {result["spec"]["seed"]: result["summary"] for result in store.load().values()}


def test_settings_are_read_as_numbers_truth_values_and_texts() -> None:
    assert parse_settings(["nodes=10,20", "loss=0.5,1e-3", "signed=true,false", "how=forge"]) == {
        "nodes": [10, 20],
        "loss": [0.5, 0.001],
        "signed": [True, False],
        "how": ["forge"],
    }


def test_topologies_are_separated_by_semicolons_and_a_key_may_come_twice() -> None:
    assert parse_settings(["topology=ws:k=6,p=0.1; ba:m=2", "topology=ring;ba:m=2"]) == {
        "topology": ["ws:k=6,p=0.1", "ba:m=2", "ring"]
    }


@pytest.mark.parametrize("text", ["nodes", "=1", "nodes=", "nodes=1,,2", "nodes=many", "seed=1", "topology=ring;"])
def test_a_bad_setting_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_settings([text])


def test_seeds_are_numbers_and_ranges_that_include_both_ends() -> None:
    assert parse_seeds("3") == [3]
    assert parse_seeds("0..3") == [0, 1, 2, 3]
    assert parse_seeds("7,0..2,1") == [7, 0, 1, 2]


@pytest.mark.parametrize("text", ["", "x", "3..1", "0..", "0..999999999999", "1;2"])
def test_bad_seeds_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_seeds(text)


@given(text=st.text(alphabet="0123456789.,-=;ab", max_size=12))
def test_any_text_is_settings_or_seeds_or_a_clear_refusal(text: str) -> None:
    for parse in (parse_seeds, lambda text: parse_settings([text])):
        with contextlib.suppress(ConfigError):
            parse(text)


def test_specs_are_all_combinations_for_every_seed() -> None:
    specs = make_specs(BASE, {"nodes": [10, 20], "flows": [1, 2]}, [5, 6])
    found = [(spec.seed, spec.nodes, spec.parameters) for spec in specs]
    one_seed = [(10, {"flows": 1}), (10, {"flows": 2}), (20, {"flows": 1}), (20, {"flows": 2})]
    assert found == [(seed, nodes, parameters) for seed in (5, 6) for nodes, parameters in one_seed]


def test_too_large_a_sweep_is_refused_before_it_begins() -> None:
    with pytest.raises(ConfigError, match="200000 runs are too many"):
        make_specs(BASE, {"flows": list(range(2_000))}, list(range(100)))


def test_a_key_names_a_run_whatever_the_order_of_its_parameters() -> None:
    one, other = (
        RunSpec(topology="ring", nodes=3, scenario="cut", parameters=parameters)
        for parameters in ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    )
    assert run_key(one) == run_key(other)
    assert run_key(one) != run_key(BASE)


def test_a_second_sweep_runs_only_what_is_missing(tmp_path: Path) -> None:
    first, second = HerePool(), HerePool()
    assert quiet_sweep(specs_of(3), first, tmp_path) == 0
    assert quiet_sweep(specs_of(5), second, tmp_path) == 0
    assert [spec.seed for spec in second.runs] == [3, 4]
    assert sorted(summaries(tmp_path)) == [0, 1, 2, 3, 4]


def test_ctrl_c_keeps_what_there_is_and_writes_its_table(tmp_path: Path) -> None:
    assert quiet_sweep(specs_of(5), HerePool(interrupt_after=2), tmp_path) == 130
    assert sorted(summaries(tmp_path)) == [0, 1]
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 3


def test_a_failed_run_is_told_makes_the_sweep_fail_and_is_tried_again_the_next_time(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=120)
    status = run_sweep(specs_of(3), HerePool(), tmp_path, console=console, settings=[], runner=fake.run_but_raise)
    assert status == FAULTY
    assert isinstance(console.file, io.StringIO)
    assert "ring, 10 nodes, cut, seed 1: seed 1 is not to my taste" in console.file.getvalue()
    again = HerePool()
    assert quiet_sweep(specs_of(3), again, tmp_path) == 0
    assert [spec.seed for spec in again.runs] == [1]


def test_a_broken_invariant_makes_the_sweep_fail(tmp_path: Path) -> None:
    assert quiet_sweep(specs_of(1), HerePool(), tmp_path, fake.run_with_loops) == FAULTY


def test_a_run_without_a_summary_is_an_error() -> None:
    assert carry_out(BASE, lambda spec: iter([{"type": "run"}])).error == "the run gave no summary"


@given(cut=st.integers(0, 400))
def test_half_a_line_left_by_a_crash_costs_that_run_only(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("store")
    quiet_sweep(specs_of(2), HerePool(), folder)
    content = (folder / "results.jsonl").read_bytes()
    lines = content.splitlines(keepends=True)
    (folder / "results.jsonl").write_bytes(lines[0] + lines[1][:cut])
    again = HerePool()
    quiet_sweep(specs_of(2), again, folder)
    assert [spec.seed for spec in again.runs] == [1]
    assert sorted(summaries(folder)) == [0, 1]


def test_one_folder_takes_one_sweep_at_a_time(tmp_path: Path) -> None:
    with ResultStore(tmp_path), pytest.raises(ConfigError, match="another sweep"):
        ResultStore(tmp_path).__enter__()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError):
        quiet_sweep([], HerePool(), tmp_path / "file")


def test_each_result_is_on_disk_before_the_next_run_ends(tmp_path: Path) -> None:
    kept: list[int] = []
    with ResultStore(tmp_path) as store:
        sweep(specs_of(3), HerePool(), store, runner=fake.run, on_result=lambda _: kept.append(len(store.done())))
    assert kept == [1, 2, 3]


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


def test_processes_give_the_same_results_as_one() -> None:
    specs = specs_of(4)
    found = results_of(ProcessPool(2), fake.run, specs)
    assert found == results_of(HerePool(), fake.run, specs)


def test_a_lost_process_loses_no_result(tmp_path: Path) -> None:
    found = results_of(ProcessPool(2), fake.run_but_die_once, specs_of(3, marks=str(tmp_path)))
    assert sorted(found) == [0, 1, 2]
    assert [result.error for result in found.values()] == [None, None, None]


def test_a_run_that_kills_every_process_is_given_up_and_the_others_are_not() -> None:
    found = results_of(ProcessPool(2), fake.run_but_die_always, specs_of(3))
    assert {seed: result.error for seed, result in found.items()} == {
        0: None,
        1: "the worker was lost 3 times, perhaps for lack of memory",
        2: None,
    }


def test_a_process_gives_way_to_a_fresh_one_after_its_share_of_runs() -> None:
    found = results_of(ProcessPool(1, runs_per_worker=2), fake.run_telling_process, specs_of(4))
    processes = [found[seed].summary for seed in range(4)]
    assert processes[0] == processes[1] != processes[2] == processes[3]


def test_closing_early_ends_the_processes() -> None:
    results = ProcessPool(2).results(fake.run_for_ever, specs_of(3))
    assert next(results).spec.seed == 0
    results.close()
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    commands = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children]
    assert not any(b"spawn_main" in command for command in commands)


def test_ctrl_c_on_the_command_ends_it_with_what_there_is(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from rich.console import Console; from sim.sweep.cli import *;"
        "from tests.sim import fake; from tests.sim.sweep.test_sweep import specs_of\n"
        f"if __name__ == '__main__': sys.exit(run_sweep(specs_of(3), ProcessPool(2), Path({str(tmp_path)!r}),"
        " console=Console(), settings=[], runner=fake.run_for_ever))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True) as process:
        results = tmp_path / "results.jsonl"
        while process.poll() is None and not (results.exists() and results.stat().st_size):
            os.sched_yield()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
        assert process.wait(30) == 130
    assert sorted(summaries(tmp_path)) == [0]


def test_a_scheduler_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.sweep.pools._CONNECT_S", 0.2)
    with pytest.raises(ConfigError, match="no Dask scheduler answers at tcp"):
        list(DaskPool("tcp://127.0.0.1:9").results(fake.run, specs_of(1)))
