"""How long do pings stay unanswered when something breaks in a mesh: a cable, one direction of it, a relay, half of the mesh?

    ./dev bench heal --runs 10
    ./dev bench heal --cases silent-cut killed-relay --shapes square --systems mycelium yggdrasil babeld
    ./dev bench heal --cases silent-cut --shapes square --systems mycelium mycelium-mixed

Pings go every 10 ms between two hosts; what their path leads over is found and broken (bench/support/heal_cases.py), in a
square of four, a ring of six and a grid of 7x7. The square is a fresh one for each trial, and other meshes run beside it
(bench/support/heal_systems.py). Further: starts, restarts, moves, TCP across a cut (bench/support/heal_daemon.py). As root:
hosts are network namespaces of this machine. Everything, ten times, takes about two hours.
"""

import argparse
import contextlib
import random
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from bench.support.heal_cases import CASES, SHAPES, Case, Figures, Shape, find_trial
from bench.support.heal_daemon import MEASURES
from bench.support.heal_systems import NETWORKS, MyceliumNetwork, Network
from bench.support.report import Row, print_table, progress, summary, write_json_lines
from bench.support.systems import is_installed
from tests.lab.laboratory import Lab, remove_leftovers

COLUMNS: Final = ("case", "shape", "system", "measure", "least", "median", "most", "runs", "failed")
COMPARED_SHAPE: Final = "square"

Key = tuple[str, str, str]  # case, shape, system


class Results:
    """The figures of all trials, and how many trials failed."""

    def __init__(self) -> None:
        self._figures: dict[Key, dict[str, list[float]]] = {}
        self._failed: dict[Key, int] = {}

    def take(self, key: Key, label: str, measure: Callable[[], Figures]) -> bool:
        """Runs a trial and reports it; returns whether it succeeded."""
        measures = self._figures.setdefault(key, {})
        name = f"{label}: {', '.join(key)}"
        try:
            figures = measure()
        except (AssertionError, OSError) as error:
            self._failed[key] = self._failed.get(key, 0) + 1
            progress(f"{name}: failed: {str(error)[:500]}")
            return False
        for what, value in figures.items():
            measures.setdefault(what, []).append(value)
        progress(f"{name}: {', '.join(f'{what} {value:.3f}' for what, value in figures.items())}")
        return True

    def rows(self) -> list[Row]:
        """Returns one row for each measure."""
        rows: list[Row] = []
        for key, measures in self._figures.items():
            head: Row = dict(zip(("case", "shape", "system"), key, strict=True))
            head["failed"] = self._failed.get(key, 0)
            rows += [head | {"measure": what} | summary(values) for what, values in measures.items()]
            if not measures:
                rows.append(head | {"measure": "none", "runs": 0})
        return rows


class Trials:
    """The trials of one case in one shape with one system: one mesh each, or several in one while it has fresh links."""

    def __init__(self, system: str, case: Case, shape: Shape, folder: Path | None) -> None:
        self._make = NETWORKS[system]
        self._case = case
        self._shape = shape
        self._folder = folder
        self._rng = random.Random(1)
        self._held = contextlib.ExitStack()
        self._network: Network | None = None
        self._worn: set[frozenset[str]] = set()

    def run(self, number: int) -> Figures:
        """Makes one trial."""
        network = self._network or self._started(number)
        search = (network, self._shape, self._case.victim, number)
        trial = find_trial(*search, worn=self._worn, rng=self._rng)
        if trial is None and self._worn:
            self.close()
            return self.run(number)
        assert trial is not None, "nothing to break was found"
        self._worn |= trial.broken
        figures = self._case.act(trial)
        if self._shape.is_reused and isinstance(network, MyceliumNetwork):
            network.mend()
        else:
            self.close()
        return figures

    def close(self) -> None:
        """Ends the mesh, if there is one."""
        self._held.close()
        self._network = None
        self._worn.clear()

    def _started(self, number: int) -> Network:
        lab, directory = self._held.enter_context(laboratory(self._folder, number))
        self._network = self._make(lab, directory, self._shape.edges)
        self._network.start()
        return self._network


@contextlib.contextmanager
def laboratory(folder: Path | None, number: int) -> Iterator[tuple[Lab, Path]]:
    """Yields a laboratory and a directory for files; the directory is kept if `folder` is given."""
    with Lab() as lab, tempfile.TemporaryDirectory() as passing:
        kept = None if folder is None else folder / str(number)
        if kept is not None:
            kept.mkdir(parents=True)
        yield lab, kept or Path(passing)


def main() -> None:
    """Measures and reports; on SIGTERM or SIGINT it reports what it has."""
    given = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    remove_leftovers()
    results = Results()
    try:
        _run_all(results, given)
    except KeyboardInterrupt:
        progress("ended early")
    rows = results.rows()
    print_table(rows, COLUMNS)
    write_json_lines(rows, given.json)


def _run_all(results: Results, given: argparse.Namespace) -> None:
    for shape in given.shapes:
        for case in filter(CASES.__contains__, given.cases):
            _run_case(results, case, shape, given)
    for name in filter(MEASURES.__contains__, given.cases):
        for run in range(given.runs):
            _run_measure(results, name, run, given)


def _run_case(results: Results, name: str, shape: str, given: argparse.Namespace) -> None:
    """Runs the trials of a case; the systems take turns."""
    case = CASES[name]
    is_compared = case.is_compared and shape == COMPARED_SHAPE
    systems = [system for system in given.systems if system == "mycelium" or is_compared]
    with contextlib.ExitStack() as stack:
        trials = {
            system: Trials(system, case, SHAPES[shape], _folder(given, name, shape, system)) for system in systems
        }
        for each in trials.values():
            stack.callback(each.close)
        for run in range(given.runs):
            for system in systems:
                label = f"{run + 1} of {given.runs}"
                if not results.take((name, shape, system), label, lambda: trials[system].run(run)):  # noqa: B023
                    trials[system].close()


def _run_measure(results: Results, name: str, run: int, given: argparse.Namespace) -> None:
    if "mycelium" not in given.systems:
        return
    with laboratory(_folder(given, name), run) as (lab, directory):
        key = (name, "", "mycelium")
        results.take(key, f"{run + 1} of {given.runs}", lambda: MEASURES[name](lab, directory, run))


def _folder(given: argparse.Namespace, *names: str) -> Path | None:
    return None if given.logs is None else Path(given.logs, *names)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    everything = [*CASES, *MEASURES]
    parser.add_argument(
        "--cases", nargs="+", choices=everything, default=everything, metavar="CASE", help=", ".join(everything)
    )
    parser.add_argument("--shapes", nargs="+", choices=sorted(SHAPES), default=list(SHAPES))
    parser.add_argument("--systems", nargs="+", choices=sorted(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="where to keep what the daemons wrote")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where to write JSON lines; standard output otherwise"
    )
    given = parser.parse_args()
    missing = [system for system in given.systems if not is_installed(system)]
    if missing:
        progress(f"not installed, so left out: {', '.join(missing)}")
    given.systems = [system for system in given.systems if system not in missing]
    return given


if __name__ == "__main__":
    main()
