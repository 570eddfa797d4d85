"""What this process takes of its host, and how late it is."""

import asyncio
import os
from pathlib import Path
from time import process_time
from typing import Final

from mycelium.counters import Histogram

LAG_BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
LOOK_S: Final = 1.0  # between looks at how late the event loop is
_STATM: Final = Path("/proc/self/statm")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds() -> float:
    """Returns the processor time that this process has taken, in user mode and in the kernel."""
    return process_time()


def resident_bytes() -> int:
    """Returns the memory of this process that is in RAM."""
    return int(_STATM.read_text().split()[1]) * _PAGE_BYTES


class LoopLag:
    """How late the event loop calls what is due, looked at every second."""

    def __init__(self) -> None:
        self.histogram: Final = Histogram(*LAG_BOUNDS_S)

    async def run(self) -> None:
        """Looks until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LOOK_S
            await asyncio.sleep(LOOK_S)
            self.histogram.observe(max(loop.time() - due, 0.0))
