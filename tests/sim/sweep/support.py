"""A pool in this process, and short ways to sweep."""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from sim.play.run import RunSpec
from sim.sweep.cli import run_sweep
from sim.sweep.store import ResultStore
from sim.sweep.sweep import Result, Runner, carry_out
from tests.sim import fake


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
