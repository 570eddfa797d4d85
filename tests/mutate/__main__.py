"""Mutation testing: changes one thing in a module at a time, and lists the changes that the module's tests do not notice.

    ./dev mutate mycelium.link.frames [--tests tests/link] [--jobs 2]

A change exists in the memory of one forked process only; no file is touched. A mutant survives when all tests of the
module's folder that run its line pass. Survivors that `accepted.toml` explains are left out.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.mutate.accepted import accepted
from tests.mutate.runner import ROOT, Mutant, Runner, mutants

PLUGINS = ["-p", "no:xdist", "-p", "no:terminal"]
# Processor time stops endless loops; the timeout is for what waits for ever, and fails no test of a machine that is full.
OPTIONS = [*PLUGINS, "-o", "addopts=", "-s", "-m", "not netns and not deep", "--timeout=600"]


def default_tests(path: Path) -> str:
    """Returns the folder of a module's tests, or the test of its own name where the module is in no folder."""
    mirror = Path("tests", *path.relative_to(ROOT).parts[1:])
    return str(mirror.with_name(f"test_{mirror.name}") if mirror.parent == Path("tests") else mirror.parent)


def files(name: str) -> list[Path]:
    """Returns the files of a module or package; ends the program where there is none."""
    path = ROOT / (name if "/" in name or name.endswith(".py") else name.replace(".", "/"))
    found = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    if not all(file.is_file() for file in found):
        sys.exit(f"there is no module {name}")
    return found


def report(path: Path, survivors: Sequence[Mutant]) -> bool:
    """Prints what is to be said about a file; returns whether its survivors are those that are accepted."""
    module = str(path.relative_to(ROOT))
    reasons = accepted(module)
    unexplained = [survivor for survivor in survivors if survivor.name not in reasons]
    stale = reasons.keys() - {survivor.name for survivor in survivors}
    for survivor in unexplained:
        print(f"{module}:{survivor.mutation.line}: {survivor.name}")
    for name in stale:
        print(f"{module}: accepted, but noticed by a test, or no longer there: {name}")
    explained = len(survivors) - len(unexplained)
    print(
        f"{module}: {len(mutants(path))} mutants, {explained} survivors explained, {len(unexplained)} unexplained",
        flush=True,
    )
    return not unexplained and not stale


def main() -> int:
    """Runs the mutants; returns 1 where a survivor is unexplained, or an accepted one did not survive."""
    parser = argparse.ArgumentParser(prog="./dev mutate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="+", help="dotted names or paths, of packages too")
    parser.add_argument("--tests", nargs="+", help="instead of those of the module's folder")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time")
    options = parser.parse_args()
    os.environ["HYPOTHESIS_PROFILE"] = "mutate"  # a failure need not be made small
    paths = [path for name in options.modules for path in files(name)]
    answers: list[bool] = []
    runner = Runner(paths, lambda path, survivors: answers.append(report(path, survivors)), options.jobs)
    status = pytest.main([*OPTIONS, *(options.tests or {default_tests(path) for path in paths})], plugins=[runner])
    return int(status) or int(not all(answers))


if __name__ == "__main__":
    sys.exit(main())
