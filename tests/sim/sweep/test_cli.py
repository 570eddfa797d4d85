"""The command `mycelium-sim sweep`: what it keeps and its exit status."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from sim.sweep.cli import FAULTY, run_sweep
from tests.sim import fake
from tests.sim.sweep.support import HerePool, quiet_sweep, specs_of, summaries


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


def test_ctrl_c_on_the_command_ends_it_with_what_there_is(tmp_path: Path) -> None:
    # A shell that starts the tests in the background has them ignore SIGINT, which all their children inherit.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "import sys; from pathlib import Path; from rich.console import Console; from sim.sweep.cli import *;"
        "from tests.sim import fake; from tests.sim.sweep.support import specs_of\n"
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
