"""Results on disk: safe from crashes and from other sweeps."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import ConfigError
from sim.sweep.store import ResultStore
from sim.sweep.sweep import sweep
from tests.sim import fake
from tests.sim.sweep.support import HerePool, quiet_sweep, specs_of, summaries


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
