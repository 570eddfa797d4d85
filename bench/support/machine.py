"""What a benchmark ran on, and whether the machine had nothing else to do."""

import os
import statistics
import time
from pathlib import Path
from typing import Final

from mycelium.admin.interpreter import description

LOOPS: Final = 400_000
QUIET_LOAD: Final = 0.5  # processes beside the benchmark's own, before it starts
QUIET_STEAL: Final = 0.01
QUIET_SPREAD: Final = 1.15  # slowest to median calibration
_STEAL: Final = 7  # column of /proc/stat


class Machine:
    """Watches this machine from its making until `report`; `calibrate` is called while nothing is measured."""

    def __init__(self) -> None:
        self._load = os.getloadavg()[0]
        self._ticks = _ticks()
        self._loops_ms: list[float] = []
        self.calibrate()

    def calibrate(self) -> None:
        """Times a loop that always does the same."""
        begin = time.perf_counter()
        for _ in range(LOOPS):
            pass
        self._loops_ms.append((time.perf_counter() - begin) * 1e3)

    def report(self) -> list[str]:
        """Returns lines that say what this ran on, and what has disturbed it."""
        ticks = [late - early for early, late in zip(self._ticks, _ticks(), strict=True)]
        steal = ticks[_STEAL] / max(sum(ticks), 1)
        median, slowest = statistics.median(self._loops_ms), max(self._loops_ms)
        causes = [
            cause
            for is_so, cause in (
                (self._load > QUIET_LOAD, f"its load was {self._load:.2f} at the start"),
                (steal > QUIET_STEAL, f"the host took {steal:.1%} of its processors"),
                (
                    slowest > QUIET_SPREAD * median,
                    f"a fixed loop took {median:.1f} ms in the median and {slowest:.1f} ms at worst",
                ),
            )
            if is_so
        ]
        loop = f"loop {median:.1f} ms ({min(self._loops_ms):.1f} to {slowest:.1f})"
        return [
            f"{description()}; {os.cpu_count()} processors, {_model()}, Linux {os.uname().release}",
            f"The machine was not quiet: {'; '.join(causes)}." if causes else "The machine was quiet.",
            f"Load {self._load:.2f} at the start, steal {steal:.2%}, {loop}.",
        ]


def _ticks() -> list[int]:
    return [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]


def _model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown model")
