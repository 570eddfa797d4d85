"""A pytest plugin that runs mutants instead of tests: in each fork of the collected session, one function is changed.

Tests are imported and collected once. A first fork runs them all, and tells which lines each of them runs; each mutant
then needs only the tests that run its line, the quickest first, until one of them fails.
"""

import ast
import gc
import os
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import connection, get_context
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import CodeType, FunctionType
from typing import Final, NamedTuple, NoReturn

import coverage
import pytest

from tests.mutate.mutations import Mutation, mutant, mutations

ROOT: Final = Path(__file__).resolve().parents[2]
MEMORY_BYTES: Final = 4 << 30  # what a mutant that grows without end may take
SLOW: Final = 4  # times the processor time of the untouched test: a mutant that takes more is noticed
LEAST_S: Final = 1.0  # seconds that every test may take, since its measured time says little where it is short


class Mutant(NamedTuple):
    """One change of one file; the number is that of `mutations`."""

    path: Path
    source: str  # as it was when it was searched for changes: the file may be another before this one is made
    number: int
    mutation: Mutation
    change: str

    @property
    def name(self) -> str:
        """The mutant in the list of accepted ones."""
        return f"{self.mutation.function}: {self.change}"


class Trial(NamedTuple):
    """A mutant, and what its process needs."""

    session: pytest.Session
    changed: Mutant
    functions: dict[tuple[str, str, int], list[FunctionType]]  # in memory, by file, name and line
    limits: dict[pytest.Item, float]  # seconds of processor time, by test


class Untouched(NamedTuple):
    """What the tests do when nothing is changed."""

    failed: list[str]
    seconds: dict[str, float]  # of processor time, by test
    tests: dict[str, dict[int, list[str]]]  # that run a line, by file and line


def mutants(path: Path) -> list[Mutant]:
    """Returns the mutants of a file. Constants of modules and classes stay: they are tuning, or pinned by documents."""
    source = path.read_text()
    numbered = enumerate(mutations(ast.parse(source)))
    return [Mutant(path, source, number, found, found.change(source)) for number, found in numbered if found.function]


def allowed_s(untouched_s: float) -> float:
    """Returns how much processor time a test may take with a change, from what it takes without."""
    return max(LEAST_S, SLOW * untouched_s)


class Runner:
    """Runs mutants, file by file, and tells of each as soon as it is known whether it survived all tests."""

    def __init__(
        self, mutants: Mapping[Path, Sequence[Mutant]], tell: Callable[[Mutant, bool], None], jobs: int = 1
    ) -> None:
        self._mutants, self._tell, self._jobs = mutants, tell, jobs

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Takes the place of pytest's own loop over the tests."""
        items = {item.nodeid: item for item in session.items}
        untouched = _untouched(session, [*self._mutants])
        if untouched.failed or session.testsfailed or not items:
            sys.exit(f"the tests fail without a change, or there are none: {' '.join(untouched.failed)}")
        functions = _functions({str(path) for path in self._mutants})
        for path, changes in self._mutants.items():
            by_line = untouched.tests.get(str(path), {})
            trials = []
            for changed in changes:
                tests = {test for line in changed.mutation.lines for test in by_line.get(line, ())}
                limits = {items[test]: allowed_s(untouched.seconds[test]) for test in tests}
                trials.append(Trial(session, changed, functions, limits))
            self._run(trials)
        return True

    def _run(self, trials: list[Trial]) -> None:
        running: dict[ForkProcess, Mutant] = {}
        while trials or running:
            while trials and len(running) < self._jobs:
                trial = trials.pop(0)
                running[_forked(_try, trial)] = trial.changed
            connection.wait([process.sentinel for process in running])
            for process in [process for process in running if not process.is_alive()]:
                self._tell(running.pop(process), process.exitcode == 0)


def _forked(target: object, *arguments: object) -> ForkProcess:
    process = get_context("fork").Process(target=target, args=arguments)  # type: ignore[arg-type]
    process.start()
    return process


def _untouched(session: pytest.Session, paths: Sequence[Path]) -> Untouched:
    receiving, sending = get_context("fork").Pipe(duplex=False)
    process = _forked(_measure, session, paths, sending)
    sending.close()
    try:
        return Untouched(*receiving.recv())
    except EOFError:
        sys.exit("the tests end their process without a change")
    finally:
        process.join()


def _measure(session: pytest.Session, paths: Sequence[Path], result: "connection.Connection[object, object]") -> None:
    """Runs all tests in this process, and sends what they did."""
    _silence()
    tracer = coverage.Coverage(data_file=None, config_file=False, include=[str(path) for path in paths])
    failed, seconds = [], {}
    tracer.start()
    for item in session.items:
        tracer.switch_context(item.nodeid)
        began, before = time.process_time(), session.testsfailed
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        seconds[item.nodeid] = time.process_time() - began
        if session.testsfailed != before:
            failed.append(item.nodeid)
    tracer.stop()
    data = tracer.get_data()
    by_line = {str(path): data.contexts_by_lineno(str(path)) for path in paths}
    tests = {path: {line: [*filter(None, names)] for line, names in lines.items()} for path, lines in by_line.items()}
    result.send((failed, seconds, tests))
    os._exit(0)


def _try(trial: Trial) -> NoReturn:
    """Makes the change in this process, and runs the tests until one fails."""
    _silence()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    changed = trial.changed
    for code in _codes(mutant(changed.source, changed.number, str(changed.path))):
        for function in trial.functions.get(_key(code), ()):
            function.__code__ = code
    for item, limit_s in sorted(trial.limits.items(), key=lambda entry: entry[1]):
        signal.setitimer(signal.ITIMER_VIRTUAL, limit_s)  # its signal ends the process
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        if trial.session.testsfailed:
            os._exit(1)
    os._exit(0)


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _functions(files: set[str]) -> dict[tuple[str, str, int], list[FunctionType]]:
    """Returns the functions of some files that are in memory."""
    found = defaultdict(list)
    for candidate in gc.get_objects():
        if type(candidate) is FunctionType and candidate.__code__.co_filename in files:
            found[_key(candidate.__code__)].append(candidate)
    return found


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _key(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno
