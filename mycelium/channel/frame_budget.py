"""The size of frames under loss: a frame of many datagrams is lost with any of them.

The receiver reports how many frames it has opened and the newest counter among them; the difference is the number of lost
frames. The sender halves its frames while more than SHRINK_ABOVE of them are lost, uses single datagrams at once above HEAVY,
and doubles frames again when few are lost. Links use this for frames, sessions for trains.
"""

import math
from typing import Final

from mycelium.channel.loss_window import LossWindow
from mycelium.limits import FRAME_PLAINTEXT

# shares of lost frames
SHRINK_ABOVE: Final = 0.01
GROW_BELOW: Final = 0.003
HEAVY: Final = 0.10

# A decision needs HEAVY_EVIDENCE lost frames at a rate above HEAVY, else EVIDENCE lost frames, or ENOUGH_FRAMES in all.
HEAVY_EVIDENCE: Final = 3
EVIDENCE: Final = 8
ENOUGH_FRAMES: Final = 600

GROW_EVERY_S: Final = 2.0
SMOOTHING_FRAMES: Final = 512
# The same where frames are far apart: losses of a load, or of a cut, must not weigh on an idle link for a quarter of an hour.
SMOOTHING_S: Final = 240.0
LEAST_SMOOTHING_FRAMES: Final = 128

REPORT_AFTER_S: Final = 0.010  # delay of a report after a gap, which a late frame may fill
REPORT_EVERY_S: Final = 0.050  # shortest interval between reports of new losses

# After a loss, reports go on for a while, so that the sender learns when the loss has ended.
CALM_EVERY_S: Final = 1.0
CALM_FOR_S: Final = 60.0

_LOW_32: Final = 0xFFFF_FFFF
_HALF: Final = 0x8000_0000


class FrameBudget:
    """The sender's side. `floor` is the size that fits one datagram; the owner counts its datagrams in `sent_datagrams`."""

    __slots__ = (
        "_ceiling",
        "_changed_at",
        "_counted_datagrams",
        "_frames",
        "_lost",
        "_newest",
        "_opened",
        "_reported_at",
        "_starts_at",
        "datagram_loss",
        "expendable",
        "floor",
        "limit",
        "loss",
        "missed",
        "recent",
        "sent_datagrams",
    )

    def __init__(self, *, floor: int, now: float, ceiling: int = FRAME_PLAINTEXT) -> None:
        self.floor = floor
        self.limit = ceiling  # largest size of a frame, bytes
        self.loss = 0.0  # share of frames lost, smoothed
        self.datagram_loss = 0.0  # share of datagrams lost, smoothed; for the metric
        self.recent = LossWindow()  # for people
        self.missed = 0  # frames reported lost so far, some of which may only have been late
        self.sent_datagrams = 0
        self.expendable = 0  # frames sent that the neighbour missed and whose loss does not count
        self._ceiling = ceiling
        self._starts_at: int | None = None
        self._changed_at = self._reported_at = now
        self._counted_datagrams = 0
        self.restart_counters()

    def start_over(self, counter: int) -> None:
        """Resets all measurements after an outage; only frames from `counter` on count."""
        self.restart_counters()
        self.loss = self.datagram_loss = 0.0
        self.recent.clear()
        self._starts_at = counter & _LOW_32  # earlier frames are ignored

    def restart_counters(self) -> None:
        """Called when the owner switches to another keypair, whose counters start anew."""
        self._starts_at = None
        self._opened = 0
        self._newest = 0
        self._frames = 0
        self._lost = 0

    def report(self, opened: int, newest: int, *, now: float) -> None:
        """Takes a report: low 32 bits of the number of frames the peer has opened, and of the newest counter among them."""
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
        self.recent.note(frames, frames - arrived, now=now)
        self._frames += frames
        self._lost = max(self._lost + frames - arrived, 0)  # late frames reduce it again
        self._smooth(frames, max(frames - arrived, 0) / frames, max(datagrams / frames, 1.0), now=now)
        self._decide(now=now)

    def set_floor(self, floor: int) -> None:
        """Sets the size that fits one datagram."""
        self.floor = floor
        self.limit = max(self.limit, floor)

    def _smooth(self, frames: int, lost: float, datagrams_per_frame: float, *, now: float) -> None:
        elapsed_s, self._reported_at = now - self._reported_at, now
        age = max(frames / SMOOTHING_FRAMES, min(elapsed_s / SMOOTHING_S, frames / LEAST_SMOOTHING_FRAMES))
        weight = -math.expm1(-age)
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
    """The receiver's side: what to report, and when. Reports are due when a frame is missing, and for a minute after."""

    __slots__ = ("_calm_until", "_missing", "_reported_at", "due_at", "newest", "opened")

    def __init__(self) -> None:
        self.opened = 0
        self.newest = 0
        self.due_at = math.inf
        self._missing = 0  # frames missing at the last report
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
        """Tells, at or after `due_at`, whether a report must be sent; late frames may have made it unnecessary."""
        if now < self.due_at:
            return False
        if self.newest - self.opened > self._missing or now >= self._calm_report_at():
            return True
        self.due_at = self._calm_report_at()
        return False

    def take(self, *, now: float) -> tuple[int, int]:
        """Returns the low 32 bits of `opened` and `newest`, to be sent at once."""
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
