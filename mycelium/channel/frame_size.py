"""The largest frame that loss allows: found by trials, each of which is undone if it does not pay.

A frame of many datagrams is lost with any of them, so shorter ones arrive more often if datagrams are lost one by one. Where a
queue overflows they do not, and only cost more. So shorter frames are tried while more than SHRINK_ABOVE are lost, single
datagrams at once above HEAVY, and longer ones otherwise. Halfway between the loss before and the loss that would be expected if
datagrams were lost one by one lies what decides: a shorter size is kept below it, a longer one too.

A trial that failed is repeated after FIRST_WAIT_S, then after twice as long each time, up to LONGEST_WAIT_S: that is how long a
size may outlast its cause.
"""

from math import inf
from typing import Final

from mycelium.limits import GSO_BYTES

# shares of lost frames
SHRINK_ABOVE: Final = 0.01
GROW_BELOW: Final = 0.003
HEAVY: Final = 0.10

# A rate needs HEAVY_EVIDENCE lost frames if it is above HEAVY, else EVIDENCE lost frames, or ENOUGH_FRAMES in all.
HEAVY_EVIDENCE: Final = 3
EVIDENCE: Final = 8
ENOUGH_FRAMES: Final = 600
FEW_FRAMES: Final = 32  # that are enough where none is lost
EXPECTED_LOST: Final = 16  # frames that a trial of shorter ones would lose if it did not help

STEP: Final = 4  # factor between two sizes: from GROW_BELOW it leads about to SHRINK_ABOVE
CALM_S: Final = 0.5  # without a loss, after which one report ends a trial and begins the next: reports are rare then
FIRST_WAIT_S: Final = 0.1  # about two reports
LONGEST_WAIT_S: Final = 2.0


class _Patience:
    """When a trial may be made again."""

    __slots__ = ("_wait_s", "due_at")

    def __init__(self) -> None:
        self.due_at = 0.0
        self._wait_s = FIRST_WAIT_S

    def failed(self, *, now: float) -> None:
        """Puts the next trial off, for longer each time."""
        self.due_at = now + self._wait_s
        self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)

    def reset(self) -> None:
        """Forgets what failed."""
        self.due_at = 0.0
        self._wait_s = FIRST_WAIT_S


class FrameSize:
    """The largest size of a frame, in bytes: from `floor`, what fits one datagram, to `ceiling`."""

    __slots__ = (
        "_before",
        "_frames",
        "_longer",
        "_lost",
        "_lost_at",
        "_rate_before",
        "_shorter",
        "ceiling",
        "floor",
        "limit",
    )

    def __init__(self, *, floor: int, ceiling: int) -> None:
        self.floor = floor
        self.ceiling = ceiling
        self.limit = ceiling
        self._before = 0  # the size that a trial would go back to; 0: there is no trial
        self._rate_before = 0.0  # share of frames lost then
        self._lost_at = -inf  # when a loss was reported last
        self._longer = _Patience()
        self._shorter = _Patience()
        self.restart()

    def restart(self) -> None:
        """Counts anew."""
        self._frames = 0
        self._lost = 0

    def set_floor(self, floor: int) -> None:
        """Sets the size that fits one datagram."""
        self.floor = floor
        self.limit = max(self.limit, floor)
        self.ceiling = max(self.ceiling, floor)

    def set_ceiling(self, ceiling: int) -> None:
        """Sets the largest size, at least `floor`; a limit that only the former one had set goes along."""
        self.limit = ceiling if self.limit >= self.ceiling else min(self.limit, ceiling)
        self.ceiling = ceiling
        self._before = min(self._before, ceiling)

    def judge(self, frames: int, lost: int, *, now: float) -> None:
        """Takes a report on frames of the present size; `lost` is negative where some that were reported lost came late."""
        self._frames += frames
        self._lost = max(self._lost + lost, 0)
        if lost > 0:
            self._lost_at = now
        rate = self._lost / self._frames
        if self._before > self.limit:
            self._judge_shorter(rate, now=now)
        elif self._before:
            self._judge_longer(rate, now=now)
        elif self._is_known(rate):
            self._begin(rate, now=now)

    def _begin(self, rate: float, *, now: float) -> None:
        if rate < GROW_BELOW:
            self._shorter.reset()
        if rate > SHRINK_ABOVE and now >= self._shorter.due_at and self.limit > self.floor:
            shorter = min(self.limit, GSO_BYTES) // STEP  # no frame in use is much longer than a super-packet
            self._try(self.floor if rate > HEAVY else max(shorter, self.floor), rate)
        else:
            self._try_longer(rate, now=now)
        self.restart()

    def _judge_shorter(self, rate: float, *, now: float) -> None:
        if max(self._lost, self._frames * self._rate_before) < EXPECTED_LOST:
            return
        if rate > self._halfway:
            self.limit = self._before
            self._shorter.failed(now=now)
        self._end()

    def _judge_longer(self, rate: float, *, now: float) -> None:
        if not self._is_known(rate):
            return
        if rate > max(self._halfway, SHRINK_ABOVE):
            self.limit = self._before
            self._longer.failed(now=now)
        else:
            self._longer.reset()
        self._end()
        if now >= self._lost_at + CALM_S:
            self._try_longer(rate, now=now)

    def _try_longer(self, rate: float, *, now: float) -> None:
        if now >= self._longer.due_at and self.limit < self.ceiling:
            longer = self.limit * STEP
            self._try(min(longer, self.ceiling) if longer < GSO_BYTES else self.ceiling, rate)

    def _try(self, size: int, rate: float) -> None:
        self._before, self._rate_before = self.limit, rate
        self.limit = size

    def _end(self) -> None:
        self._before = 0
        self.restart()

    @property
    def _halfway(self) -> float:
        """The loss halfway between that before the trial and the one expected if datagrams are lost one by one."""
        before = self._rate_before
        ratio = min(self.limit, GSO_BYTES) / min(self._before, GSO_BYTES)
        return (before + 1 - float((1 - before) ** ratio)) / 2

    def _is_known(self, rate: float) -> bool:
        return (
            self._lost >= EVIDENCE
            or self._frames >= ENOUGH_FRAMES
            or (rate > HEAVY and self._lost >= HEAVY_EVIDENCE)
            or (rate < GROW_BELOW and self._frames >= FEW_FRAMES)
        )
