"""Daemons are stopped for a moment, and go on."""

import contextlib
import random
from collections.abc import Iterator
from typing import cast

from tests.lab.daemon import LabDaemon
from tests.lab.pauses import PAUSE_SECONDS, Pauses
from tests.lab.waiting import wait_until


class Frozen:
    """Stands for a daemon and counts."""

    def __init__(self) -> None:
        self.is_running = True
        self.times = 0
        self.is_frozen = False

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        self.times += 1
        self.is_frozen = True
        yield
        self.is_frozen = False


def test_daemons_are_paused_until_the_end_of_the_block() -> None:
    daemons = [Frozen(), Frozen(), Frozen()]
    daemons[2].is_running = False
    with Pauses(cast("list[LabDaemon]", daemons), apart_s=(0.0, 0.01), rng=random.Random(1)) as pauses:
        wait_until(lambda: len(pauses.stopped_s) >= 2, 20, "two pauses")
    assert sum(daemon.times for daemon in daemons) == len(pauses.stopped_s)
    assert all(lasted >= PAUSE_SECONDS for lasted in pauses.stopped_s)
    assert not any(daemon.is_frozen for daemon in daemons)
    assert daemons[2].times == 0
