"""Sweeps on Dask: a cluster of two processes on this machine, started by the test, one of whose workers is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from sim.sweep.cli import run_sweep
from sim.sweep.pools import DaskPool
from sim.sweep.store import ResultStore
from tests.sim import fake
from tests.sim.sweep.support import HerePool, results_of, specs_of

distributed = pytest.importorskip("distributed")
pytestmark = [pytest.mark.deep, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, memory_limit=0
    ) as cluster:
        yield cluster.scheduler_address


def test_a_cluster_gives_the_same_results_as_one_process(scheduler: str) -> None:
    specs = specs_of(6)
    assert results_of(DaskPool(scheduler), fake.run, specs) == results_of(HerePool(), fake.run, specs)


def test_a_lost_worker_loses_no_result(scheduler: str, tmp_path: Path) -> None:
    specs = specs_of(3, marks=str(tmp_path))
    pool = DaskPool(scheduler)
    assert run_sweep(specs, pool, tmp_path, console=Console(quiet=True), settings=[], runner=fake.run_but_die_once) == 0
    with ResultStore(tmp_path) as store:
        assert len(store.done()) == 3


def test_an_error_in_a_run_comes_back_as_such(scheduler: str) -> None:
    found = results_of(DaskPool(scheduler), fake.run_but_raise, specs_of(3))
    assert [found[seed].error for seed in range(3)] == [None, "seed 1 is not to my taste", None]
