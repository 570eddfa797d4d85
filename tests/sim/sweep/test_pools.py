"""Pools: nothing is lost to a dead worker, and closing ends all processes."""

import os
from pathlib import Path

import pytest

from mycelium.errors import ConfigError
from sim.sweep.pools import DaskPool, ProcessPool
from tests.sim import fake
from tests.sim.sweep.support import HerePool, results_of, specs_of


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


def test_a_scheduler_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.sweep.pools._CONNECT_S", 0.2)
    with pytest.raises(ConfigError, match="no Dask scheduler answers at tcp"):
        list(DaskPool("tcp://127.0.0.1:9").results(fake.run, specs_of(1)))
