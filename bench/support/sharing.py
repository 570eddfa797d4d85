"""How long both ends of a line shared one processor, where the kernel puts them at times, while something was measured."""

import threading
from typing import Final, Self

from bench.support.line import Line
from tests.lab.process import processor_of

EVERY_S: Final = 0.03


class Sharing:
    """Looks every EVERY_S where the processes of both ends run, while this is entered. `share` is the part of these looks."""

    def __init__(self, line: Line) -> None:
        self._pids = line.pids()
        self._looks = self._shared = 0
        self._is_over = threading.Event()
        self._looking = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._looking.join()

    @property
    def share(self) -> float:
        """Share of the time in which all of these were, or had last been, on the same processor."""
        return self._shared / max(self._looks, 1)

    def _look(self) -> None:
        while not self._is_over.wait(EVERY_S):
            self._looks += 1
            self._shared += len({processor_of(pid) for pid in self._pids}) == 1
