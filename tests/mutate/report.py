"""What is said of mutants while they are tried: survivors that nobody explained, how far the run is, and each file's sum."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.mutate.accepted import accepted
from tests.mutate.runner import ROOT, Mutant


class MutantReport:
    """Prints survivors as they are found; on a terminal, its last line says how far the run is."""

    def __init__(self, chosen: Mapping[Path, Sequence[Mutant]], wanted: Callable[[str], bool]) -> None:
        """`wanted` says of a function whether its mutants are among those that are tried."""
        self._chosen, self._wanted = chosen, wanted
        self._tried: dict[Path, int] = dict.fromkeys(chosen, 0)
        self._survivors: dict[Path, list[str]] = {path: [] for path in chosen}
        self.ok = True  # no survivor is unexplained, and every accepted mutant that was tried survived

    def tried(self, changed: Mutant, survived: bool) -> None:
        """Takes what became of one mutant."""
        path = changed.path
        module = str(path.relative_to(ROOT))
        self._tried[path] += 1
        if survived:
            self._survivors[path].append(changed.name)
            if changed.name not in accepted(module):
                self._fault(f"{module}:{changed.mutation.line}: {changed.name}")
        if self._tried[path] == len(self._chosen[path]):
            self._sum_up(path, module)
        else:
            self.progress(f"{module}: {self._tried[path]} of {len(self._chosen[path])} mutants")

    def progress(self, text: str) -> None:
        """Shows how far the run is, until the next line is printed."""
        if sys.stderr.isatty():
            print(f"\x1b[K{text}", end="\r", file=sys.stderr, flush=True)

    def _sum_up(self, path: Path, module: str) -> None:
        reasons = [name for name in accepted(module) if self._wanted(name.partition(": ")[0])]
        for name in reasons:
            if name not in self._survivors[path]:
                self._fault(f"{module}: accepted, but noticed by a test, or no longer there: {name}")
        explained = sum(name in reasons for name in self._survivors[path])
        unexplained = len(self._survivors[path]) - explained
        self._line(f"{module}: {self._tried[path]} mutants, {explained} survivors explained, {unexplained} unexplained")

    def _fault(self, line: str) -> None:
        self.ok = False
        self._line(line)

    def _line(self, line: str) -> None:
        self.progress("")
        print(line, flush=True)
