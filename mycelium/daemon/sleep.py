"""Notices that the host was suspended: one clock counts that time, the one that timers run by does not."""

from time import CLOCK_BOOTTIME, clock_gettime, monotonic
from typing import Final

SLEPT_S: Final = 1.0  # a shorter sleep is dealt with like a moment without the processor
STOPPED_S: Final = 5.0  # a timer later than this: the process was stopped, or the virtual machine


class SleepWatch:
    """Compares the clocks each time it is asked; `sleep_s` is how long the host had slept since it started."""

    __slots__ = ("_sleep_s",)

    def __init__(self, sleep_s: float) -> None:
        self._sleep_s = sleep_s

    def has_slept(self, sleep_s: float, late_s: float) -> bool:
        """Tells, once each time, whether the host has slept since the last call, or a timer was late by as much as a sleep."""
        before, self._sleep_s = self._sleep_s, sleep_s
        return sleep_s - before > SLEPT_S or late_s > STOPPED_S


def slept_s() -> float:
    """Returns for how many seconds this host was suspended since it started."""
    return clock_gettime(CLOCK_BOOTTIME) - monotonic()
