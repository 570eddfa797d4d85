"""How many bytes one frame may hold: a frame of many datagrams is lost with any of them.

The receiver reports how many frames it has opened and the newest counter among them; the difference is what was lost. The
sender halves its frames while more than SHRINK_ABOVE of them are lost, goes down to single datagrams at once when it is more
than HEAVY, and grows them slowly. For the frames of a link and, with the same reports, for the trains of a session.
"""

import math
from typing import Final

from mycelium.limits import FRAME_PLAINTEXT

SHRINK_ABOVE: Final = 0.01
GROW_BELOW: Final = 0.003
HEAVY: Final = 0.10
GROW_EVERY_S: Final = 2.0
HEAVY_EVIDENCE: Final = 3  # lost frames that make a heavy rate,
EVIDENCE: Final = 8  # or any rate,
ENOUGH_FRAMES: Final = 600  # or as many frames, whatever was lost
SMOOTHING_FRAMES: Final = 512

REPORT_AFTER_S: Final = 0.010  # since a frame was missed, which may only be late
REPORT_EVERY_S: Final = 0.050
CALM_EVERY_S: Final = 1.0  # after a loss the sender is told that there is no more of it
CALM_FOR_S: Final = 60.0

_LOW_32: Final = 0xFFFF_FFFF
_HALF: Final = 0x8000_0000


class FrameBudget:
    """The sender's side. `floor` is what fits one datagram; the owner adds to `sent_datagrams` what its frames take."""

    __slots__ = (
        "_ceiling",
        "_changed_at",
        "_counted_datagrams",
        "_frames",
        "_lost",
        "_newest",
        "_opened",
        "_starts_at",
        "datagram_loss",
        "expendable",
        "floor",
        "limit",
        "loss",
        "missed",
        "sent_datagrams",
    )

    def __init__(self, *, floor: int, now: float, ceiling: int = FRAME_PLAINTEXT) -> None:
        self.floor = floor
        self.limit = ceiling  # bytes to put into one frame
        self.loss = 0.0  # share of frames, smoothed
        self.datagram_loss = 0.0  # share of datagrams, smoothed: the metric's
        self.missed = 0  # frames, at the reports so far; some may only have been late
        self.sent_datagrams = 0
        self.expendable = 0  # frames sent that may be too long for the path: their loss is no loss
        self._ceiling = ceiling
        self._starts_at: int | None = None
        self._changed_at = now
        self._counted_datagrams = 0
        self.restart_counters()

    def start_over(self, counter: int) -> None:
        """The link was dead and is back: only frames from `counter` on tell how it is now."""
        self.restart_counters()
        self.loss = self.datagram_loss = 0.0
        self._starts_at = counter & _LOW_32  # reports of earlier frames are void

    def restart_counters(self) -> None:
        """The session's keys are new and its frames count from the start again."""
        self._starts_at = None
        self._opened = 0
        self._newest = 0
        self._frames = 0
        self._lost = 0

    def report(self, opened: int, newest: int, *, now: float) -> None:
        """Takes the low 32 bits of how many frames the peer has opened, and of the newest counter among them."""
        if self._starts_at is not None:
            if (newest - self._starts_at) & _LOW_32 < _HALF:
                self._opened, self._newest, self._starts_at = opened, newest, None
            return
        frames = (newest - self._newest) & _LOW_32
        if frames == 0 or frames >= _HALF:
            return
        arrived = (opened - self._opened) & _LOW_32
        if arrived >= _HALF:
            return
        self._opened, self._newest = opened, newest
        excused = min(self.expendable, max(frames - arrived, 0))
        self.expendable -= excused
        arrived += excused
        datagrams = self.sent_datagrams - self._counted_datagrams
        self._counted_datagrams = self.sent_datagrams
        self.missed += max(frames - arrived, 0)
        self._frames += frames
        self._lost = max(self._lost + frames - arrived, 0)  # what was only late is given back
        self._smooth(frames, max(frames - arrived, 0) / frames, max(datagrams / frames, 1.0))
        self._decide(now=now)

    def set_floor(self, floor: int) -> None:
        """Takes what fits one datagram of another size."""
        self.floor = floor
        self.limit = max(self.limit, floor)

    def _smooth(self, frames: int, lost: float, datagrams_per_frame: float) -> None:
        weight = 1 - math.exp(-frames / SMOOTHING_FRAMES)
        self.loss += (lost - self.loss) * weight
        lost_datagrams = 1 - (1 - lost) ** (1 / datagrams_per_frame)
        self.datagram_loss += (lost_datagrams - self.datagram_loss) * weight

    def _decide(self, *, now: float) -> None:
        rate = self._lost / self._frames
        is_heavy = rate > HEAVY and self._lost >= HEAVY_EVIDENCE
        if not is_heavy and self._lost < EVIDENCE and self._frames < ENOUGH_FRAMES:
            return
        if rate > SHRINK_ABOVE:
            self.limit = self.floor if is_heavy else max(self.limit // 2, self.floor)
            self._changed_at = now
        elif rate >= GROW_BELOW:
            self._changed_at = now
        elif now >= self._changed_at + GROW_EVERY_S:
            self.limit = min(self.limit * 2, self._ceiling)
            self._changed_at = now
        self._frames = self._lost = 0


class ArrivalReport:
    """The receiver's side: what to report, and when to do so unasked: when a frame is missing, and for a minute after."""

    __slots__ = ("_calm_until", "_missing", "_reported_at", "due_at", "newest", "opened")

    def __init__(self) -> None:
        self.opened = 0
        self.newest = 0
        self.due_at = math.inf
        self._missing = 0  # at the last report
        self._reported_at = -math.inf
        self._calm_until = -math.inf

    def add(self, counter: int, *, now: float) -> None:
        """Notes an opened frame."""
        self.opened += 1
        if counter > self.newest:
            self.newest = counter
            if counter - self.opened > self._missing:
                self.due_at = min(self.due_at, max(now + REPORT_AFTER_S, self._reported_at + REPORT_EVERY_S))

    def is_due(self, *, now: float) -> bool:
        """Tells, at or after `due_at`, whether a report must be sent; what had only been late needs none."""
        if now < self.due_at:
            return False
        if self.newest - self.opened > self._missing or now >= self._calm_report_at():
            return True
        self.due_at = self._calm_report_at()
        return False

    def take(self, *, now: float) -> tuple[int, int]:
        """Returns the low 32 bits of both figures, to be sent at once."""
        missing = self.newest - self.opened
        if missing > self._missing:
            self._calm_until = now + CALM_FOR_S
        self._missing = missing
        self._reported_at = now
        self.due_at = self._calm_report_at()
        return self.opened & _LOW_32, self.newest & _LOW_32

    def _calm_report_at(self) -> float:
        at = self._reported_at + CALM_EVERY_S
        return at if at < self._calm_until else math.inf
