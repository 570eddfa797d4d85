"""Mutation testing: changes one thing in a module at a time, and lists the changes that the module's tests do not notice.

    ./dev mutate mycelium.link.frames [--mutants 100] [--seed 1] [--tests tests/link] [--jobs 2]

A change exists in the memory of one forked process only; no file is touched. The tests of the module's own name run
first, then those of its folder, until one fails. A mutant survives when all of them pass.
"""

import argparse
import ast
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from multiprocessing import connection, get_context
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

from tests.mutate.mutations import mutant, mutations

ROOT: Final = Path(__file__).resolve().parents[2]
MEMORY_BYTES: Final = 4 << 30  # what a mutant that grows without end may take
SLOW: Final = 4  # times the untouched run, plus `GRACE_S`: a mutant that takes longer counts as noticed
GRACE_S: Final = 10.0
WARM: Final = ("pytest", "cryptography.hazmat.primitives.ciphers.aead", "msgspec", "nacl.bindings")


class _Loader(importlib.machinery.SourceFileLoader):
    code: CodeType

    def get_code(self, fullname: str) -> CodeType:
        return self.code


class _Finder(importlib.abc.MetaPathFinder):
    """Gives the module of one file its changed code."""

    def __init__(self, path: Path, code: CodeType) -> None:
        parts = path.relative_to(ROOT).with_suffix("").parts
        self.name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        self.path, self.code = path, code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name:
            return None
        loader = _Loader(fullname, str(self.path))
        loader.code = self.code
        return importlib.util.spec_from_file_location(fullname, self.path, loader=loader)


def run_tests(tests: Sequence[str], path: Path | None = None, code: CodeType | None = None) -> None:
    """Runs the tests in this process, with a changed module if one is given; exits with pytest's status."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    if path is not None and code is not None:
        sys.meta_path.insert(0, _Finder(path, code))
    import pytest

    options = ["-x", "-q", "-p", "no:xdist", "-m", "not netns and not deep"]
    status: int = 0
    for number, test in enumerate(tests):  # one by one: pytest would sort them
        status = pytest.main([*options, *(f"--ignore={done}" for done in tests[:number]), test])
        if status:
            break
    os._exit(status)


def default_tests(path: Path) -> list[str]:
    """Returns the test of a module's own name, where there is one, and the folder of its room."""
    mirror = Path("tests", *path.relative_to(ROOT).parts[1:])
    own, room = mirror.with_name(f"test_{mirror.name}"), Path(*mirror.parts[:2])
    return [str(test) for test in (own, room) if (ROOT / test).exists()]


def run_tests_of(path: Path, tests: Sequence[str], code: CodeType | None) -> ForkProcess:
    """Starts the tests of a module in a process of their own."""
    process = get_context("fork").Process(target=run_tests, args=(tests or default_tests(path), path, code))
    process.start()
    return process


def survivors(
    tests: Sequence[str], picked: Sequence[tuple[Path, int]], timeouts_s: dict[Path, float], jobs: int
) -> Iterator[str]:
    """Yields the mutants that pass all tests, as lines to print."""
    running: dict[ForkProcess, tuple[float, str]] = {}
    waiting = list(reversed(picked))
    while waiting or running:
        while waiting and len(running) < jobs:
            path, number = waiting.pop()
            code, text = mutant(path.read_text(), number, str(path.relative_to(ROOT)))
            running[run_tests_of(path, tests, code)] = time.monotonic() + timeouts_s[path], text
        connection.wait([process.sentinel for process in running], timeout=0.2)
        for process, (deadline, text) in list(running.items()):
            if process.is_alive() and time.monotonic() >= deadline:
                os.killpg(process.pid or 0, signal.SIGKILL)
                process.join()
            if not process.is_alive():
                del running[process]
                if process.exitcode == 0:
                    yield text


def untouched_s(path: Path, tests: Sequence[str]) -> float:
    """Returns for how long the tests of a module run; ends the program where they fail without any change."""
    began = time.monotonic()
    process = run_tests_of(path, tests, None)
    process.join()
    if process.exitcode:
        sys.exit(f"{path.relative_to(ROOT)}: its tests fail, or there are none: {tests or default_tests(path)}")
    return time.monotonic() - began


def main() -> int:
    """Runs the mutants; returns 0 whatever survives, since a survivor is a question and not a fault."""
    parser = argparse.ArgumentParser(prog="./dev mutate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="+", help="dotted names or paths, of packages too")
    parser.add_argument("--tests", nargs="+", default=[], help="instead of the module's own and its room's")
    parser.add_argument("--mutants", type=int, default=100, help="how many, picked at random; 0 for all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout", type=float, help="seconds until a mutant counts as noticed")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time")
    options = parser.parse_args()
    os.environ["HYPOTHESIS_PROFILE"] = "mutate"  # a failure need not be made small
    paths = [path for name in options.modules for path in files(name)]
    for name in WARM:  # once here rather than in every child
        importlib.import_module(name)
    all_mutants = [(path, n) for path in paths for n, _ in enumerate(mutations(ast.parse(path.read_text())))]
    picked = random.Random(options.seed).sample(all_mutants, min(options.mutants or sys.maxsize, len(all_mutants)))
    limits = {path: options.timeout or GRACE_S + SLOW * untouched_s(path, options.tests) for path in {*paths}}
    alive = 0
    for text in survivors(options.tests, sorted(picked), limits, options.jobs):
        alive += 1
        print(text, flush=True)
    print(f"{alive} of {len(picked)} mutants survived, of {len(all_mutants)} that there are (seed {options.seed})")
    return 0


def files(name: str) -> list[Path]:
    """Returns the files of a module or package; ends the program where there is none."""
    path = ROOT / (name if "/" in name or name.endswith(".py") else name.replace(".", "/"))
    found = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    if not all(file.is_file() for file in found):
        sys.exit(f"there is no module {name}")
    return found


if __name__ == "__main__":
    sys.exit(main())
