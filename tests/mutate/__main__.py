"""Mutation testing: changes one thing in a module at a time, and lists the changes that the module's tests do not notice.

    ./dev mutate mycelium.link.frames [--only Reader.read] [--tests tests/link] [--jobs 2]

A change exists in the memory of one forked process only; no file is touched. A mutant survives when all tests of the
module's folder that run its line pass. Survivors are printed as they are found, without those that `accepted.toml`
explains.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.mutate.report import MutantReport
from tests.mutate.runner import ROOT, Mutant, Runner, mutants

PLUGINS = ["-p", "no:xdist", "-p", "no:terminal"]
# Processor time stops endless loops; the timeout is for what waits for ever, and fails no test of a machine that is full.
OPTIONS = [*PLUGINS, "-o", "addopts=", "-s", "-m", "not netns and not deep", "--timeout=600"]


def default_tests(path: Path) -> str:
    """Returns the folder of a module's tests, or the test of its own name where the module is in no folder."""
    package, *inside = path.relative_to(ROOT).parts
    mirror = Path("tests", *([] if package == "mycelium" else [package]), *inside)
    return str(mirror.parent if len(inside) > 1 else mirror.with_name(f"test_{mirror.name}"))


def files(name: str) -> list[Path]:
    """Returns the files of a module or package; ends the program where there is none."""
    path = ROOT / (name if "/" in name or name.endswith(".py") else name.replace(".", "/"))
    found = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    if not all(file.is_file() for file in found):
        sys.exit(f"there is no module {name}")
    return found


def is_named(function: str, names: Sequence[str]) -> bool:
    """Tells whether one of these names is that of a function, of its class, or of both; without any name, every function is."""
    return not names or not {function, *function.split(".")}.isdisjoint(names)


def chosen(paths: Sequence[Path], only: Sequence[str]) -> dict[Path, list[Mutant]]:
    """Returns the mutants that are to be tried, by file; ends the program where there is none, or none of such a name."""
    found = {path: mutants(path) for path in paths}
    functions = {mutant.mutation.function: None for path in paths for mutant in found[path]}
    for name in only:
        if not any(is_named(function, [name]) for function in functions):
            sys.exit(f"{name} is none of the functions that can be changed: {', '.join(functions)}")
    if not functions:
        sys.exit("there is nothing to be changed")
    wanted = {path: [mutant for mutant in found[path] if is_named(mutant.mutation.function, only)] for path in paths}
    return {path: left for path, left in wanted.items() if left}


def main() -> int:
    """Runs the mutants; returns 1 where a survivor is unexplained, or an accepted one did not survive."""
    parser = argparse.ArgumentParser(prog="./dev mutate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="+", help="dotted names or paths, of packages too")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="FUNCTION", help="only these functions, methods or classes"
    )
    parser.add_argument("--tests", nargs="+", help="instead of those of the module's folder")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time")
    options = parser.parse_args()
    os.environ["HYPOTHESIS_PROFILE"] = "mutate"  # a failure need not be made small
    paths = [path for name in options.modules for path in files(name)]
    trials = chosen(paths, options.only)
    report = MutantReport(trials, partial(is_named, names=options.only))
    report.progress("the tests, without a change")
    runner = Runner(trials, report.tried, options.jobs)
    status = pytest.main([*OPTIONS, *(options.tests or {default_tests(path) for path in trials})], plugins=[runner])
    return int(status) or int(not report.ok)


if __name__ == "__main__":
    sys.exit(main())
