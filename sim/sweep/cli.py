"""`mycelium-sim sweep`: many runs from one command line, in processes on this machine or on a Dask cluster."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..play.run import RunSpec, run
from ..report.terminal import print_line
from ..report.words import typed
from .pools import DaskPool, ProcessPool
from .store import ResultStore
from .sweep import Pool, Result, Runner, make_specs, parse_seeds, parse_settings, run_key, sweep
from .table import fault_count, make_rows, print_rows, varying, write_csv

FAULTY: Final = 1
INTERRUPTED: Final = 130
_SHOWN_ERRORS: Final = 5


@click.command("sweep")
@click.option("--topology", default="ba:m=2", show_default=True, help="Topology, see 'list'.")
@click.option("--nodes", default=100, show_default=True, type=click.IntRange(min=2), help="Number of nodes.")
@click.option("--scenario", default="start", show_default=True, help="Name or file, see 'list'.")
@click.option("--fidelity", default="routing", show_default=True, help="routing or node.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE,...",
    help="Values for topology, nodes, scenario, fidelity or any parameter; can be repeated. "
    "Topologies, scenarios and fidelities are separated by ';'.",
)
@click.option("--seeds", default="0..9", show_default=True, metavar="0..9", help="Seeds for each combination.")
@click.option("--workers", type=click.IntRange(min=1), help="Number of processes; by default one per core.")
@click.option("--scheduler", metavar="tcp://HOST:PORT", help="Run on a Dask cluster instead.")
@click.option(
    "--out",
    default="sweep",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for results; runs that have results there are skipped.",
)
@click.option("--quiet", is_flag=True, help="No progress bar, no table.")
@click.pass_context
def sweep_command(
    context: click.Context,
    *,
    topology: str,
    nodes: int,
    scenario: str,
    fidelity: str,
    settings: Sequence[str],
    seeds: str,
    workers: int | None,
    scheduler: str | None,
    out: Path,
    quiet: bool,
) -> None:
    """Runs every combination of settings with every seed, and collects the results in one table.

    The exit status is 0 only if every run is complete and has no violation.
    """
    chosen = parse_settings(settings)
    base = RunSpec(topology=topology, nodes=nodes, scenario=scenario, fidelity=fidelity)
    specs = make_specs(base, chosen, parse_seeds(seeds))
    pool: Pool = DaskPool(scheduler) if scheduler else ProcessPool(workers or os.cpu_count() or 1)
    console = Console(stderr=True, quiet=quiet)
    context.exit(run_sweep(specs, pool, out, console=console, settings=list(chosen)))


def run_sweep(
    specs: Sequence[RunSpec], pool: Pool, out: Path, *, console: Console, settings: Sequence[str], runner: Runner = run
) -> int:
    """Runs a sweep with a progress bar, writes and prints its table, and returns the exit status.

    Ctrl-C ends it early, with the table of the results so far. Raises ConfigError.
    """
    status = 0
    with ResultStore(out) as store:
        try:
            _sweep_visibly(specs, pool, store, runner, console)
        except KeyboardInterrupt:
            status = INTERRUPTED
        results = list(store.load().values())
    rows = make_rows(results)
    path = write_csv(rows, out)
    if rows:
        print_rows(console, rows, varying(rows, settings))
    print_line(console, f"{len(rows)} runs: {store.path}, {path}")
    return status or (FAULTY if fault_count(rows) else 0)


def _sweep_visibly(specs: Sequence[RunSpec], pool: Pool, store: ResultStore, runner: Runner, console: Console) -> None:
    done = store.done()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("runs", total=len(specs), completed=sum(run_key(spec) in done for spec in specs))
        errors: list[Result] = []

        def take(result: Result) -> None:
            progress.advance(task)
            if result.error is not None and len(errors) < _SHOWN_ERRORS:
                errors.append(result)
                progress.console.print(_complaint(result), markup=False, highlight=False)

        sweep(specs, pool, store, runner=runner, on_result=take)


def _complaint(result: Result) -> str:
    spec = result.spec
    settings: dict[str, Any] = spec.parameters
    extra = "".join(f", {key}={typed(value)}" for key, value in settings.items())
    return f"{spec.topology}, {spec.nodes} nodes, {spec.scenario}, seed {spec.seed}{extra}: {result.error}"
