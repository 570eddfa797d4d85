"""Notices that the host was suspended: one clock counts that time, the one that timers run by does not."""

from collections import deque
from time import CLOCK_BOOTTIME, clock_gettime, monotonic
from typing import Final

SLEPT_S: Final = 1.0  # a shorter sleep is dealt with like a moment without the processor
STOPPED_S: Final = 5.0  # a timer later than this shows that the process or its virtual machine was stopped
SLEEPS_REMEMBERED: Final = 64  # sleeps of known length: older entries of the journal are seldom asked for


class SleepWatch:
    """Compares the clocks each time it is asked; `sleep_s` is how long the host had slept since it started."""

    __slots__ = ("_sleep_s",)

    def __init__(self, sleep_s: float) -> None:
        self._sleep_s = sleep_s

    def has_slept(self, sleep_s: float, late_s: float) -> bool:
        """Tells, once each time, whether the host has slept since the last call, or a timer was late by as much as a sleep."""
        before, self._sleep_s = self._sleep_s, sleep_s
        return sleep_s - before > SLEPT_S or late_s > STOPPED_S


class SleepLog:
    """How long the host had slept when each entry of a journal was written: its time must not move with later sleeps."""

    __slots__ = ("_seen", "_sleeps")

    def __init__(self, sleep_s: float) -> None:
        self._seen = 0  # sequence of the newest entry at the last call of `note`
        self._sleeps = deque(
            [(0, sleep_s)], maxlen=SLEEPS_REMEMBERED
        )  # sequence of an entry, time slept before all later ones

    def note(self, newest: int, sleep_s: float) -> None:
        """Called for new entries, the newest of which has this sequence, with the time that the host has slept so far."""
        if sleep_s - self._sleeps[-1][1] > SLEPT_S:
            self._sleeps.append((self._seen, sleep_s))
        self._seen = newest

    def slept_before(self, sequence: int) -> float:
        """Returns for how many seconds the host had slept when an entry was written."""
        return next((slept for seen, slept in reversed(self._sleeps) if seen < sequence), self._sleeps[0][1])


def slept_s() -> float:
    """Returns for how many seconds this host was suspended since it started."""
    return clock_gettime(CLOCK_BOOTTIME) - monotonic()
