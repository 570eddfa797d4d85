"""What a benchmark ran on, and whether the machine had nothing else to do."""

import os
import statistics
import time
from pathlib import Path
from typing import Final

from mycelium.admin.interpreter import description

LOOPS: Final = 400_000
LOOKED_S: Final = 0.5  # at what others do, before anything begins
QUIET_BUSY: Final = 0.05  # share of the processors that others use
QUIET_STEAL: Final = 0.01
QUIET_SPREAD: Final = 1.15  # slowest to median calibration
_IDLE, _WAITING, _STEAL = 3, 4, 7  # columns of /proc/stat


class Machine:
    """Watches this machine from its making until `report`; `calibrate` is called while nothing is measured."""

    def __init__(self) -> None:
        before = _ticks()
        time.sleep(LOOKED_S)
        self._ticks = _ticks()
        spent = _differences(before, self._ticks)
        self._busy = 1 - (spent[_IDLE] + spent[_WAITING]) / max(sum(spent), 1)
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
        ticks = _differences(self._ticks, _ticks())
        steal = ticks[_STEAL] / max(sum(ticks), 1)
        median, slowest = statistics.median(self._loops_ms), max(self._loops_ms)
        causes = [
            cause
            for is_so, cause in (
                (self._busy > QUIET_BUSY, f"others used {self._busy:.0%} of it before the start"),
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
            f"Used by others {self._busy:.0%} before the start, steal {steal:.2%}, {loop}.",
        ]


def _differences(early: list[int], late: list[int]) -> list[int]:
    return [after - before for before, after in zip(early, late, strict=True)]


def _ticks() -> list[int]:
    return [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]


def _model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown model")
