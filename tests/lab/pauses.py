"""Daemons that are stopped for a moment now and then, as on a busy machine."""

import random
import threading
import time
from collections.abc import Sequence
from typing import Final

from tests.lab.daemon import LabDaemon

PAUSE_SECONDS: Final = 0.2


class Pauses:
    """Inside the `with` block, repeatedly stops a random daemon that runs for PAUSE_SECONDS, after a random wait."""

    def __init__(self, daemons: Sequence[LabDaemon], *, apart_s: tuple[float, float], rng: random.Random) -> None:
        self.stopped_s: list[float] = []  # how long each pause lasted
        self._daemons = daemons
        self._apart_s = apart_s
        self._rng = rng
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Pauses":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.wait(self._rng.uniform(*self._apart_s)):
            if running := [daemon for daemon in self._daemons if daemon.is_running]:
                begin = time.monotonic()
                with self._rng.choice(running).frozen():
                    time.sleep(PAUSE_SECONDS)
                self.stopped_s.append(time.monotonic() - begin)
