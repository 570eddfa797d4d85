"""What is lost of the frames that a neighbour or a partner is sent, by its reports, and how long frames may be (frame_size.py).

The receiver reports how many frames it has opened and the newest counter among them; the difference is the number of lost
frames. Links use this for frames, sessions for trains.

A receiver may also report that frames take too long to arrive, and the rate of the path: then none is longer than
`longest_frame` of that. While there is traffic, twice as long ones are tried RELAX_AFTER_S later. Once as many were sent as
would be reported again on a path as slow, and none was within as much time again, the longest are used. Where traffic does not
fill such frames, the longest are tried UNUSED_AFTER_S later, and the next report decides.
"""

import math
from typing import Final

from mycelium.channel.frame_size import FrameSize
from mycelium.channel.loss_window import LossWindow
from mycelium.limits import FRAME_PLAINTEXT

SMOOTHING_FRAMES: Final = 512
# The same where frames are far apart: losses of a load, or of a cut, must not weigh on an idle link for a quarter of an hour.
SMOOTHING_S: Final = 240.0
LEAST_SMOOTHING_FRAMES: Final = 128

OCCUPANCY_S: Final = 0.002  # the longest that a frame is to occupy a slow path
# The longest that frames of more than SHORT_BYTES are to: TCP answers each frame with as much at once, so the path's queue is
# the longer, the longer they are. Shorter ones cost more than they bring.
SHORT_S: Final = 0.0007
SHORT_BYTES: Final = 6_000  # about four full packets, of whose datagrams 6 % are headers; 9 % with two packets
# times the length that a path allows, from which on a receiver reports: longer ones are tried now and then
TOLERANCE: Final = 1.5
# frames in a row that took longer before it does: a process or a network card that paused does so less often
FRAMES_IN_A_ROW: Final = 8
RELAX_AFTER_S: Final = 1.0
RELAX_DATAGRAMS: Final = 64  # sent since the last change: without traffic nothing is tried
UNUSED_AFTER_S: Final = 4.0
USED_DATAGRAMS: Final = 64  # sent in a second, fewer than which are a rest

REPORT_AFTER_S: Final = 0.010  # delay of a report after a gap, which a late frame may fill
REPORT_EVERY_S: Final = 0.050  # shortest interval between reports of new losses

# How long reports are ignored after an outage: a receiver reports the frames lost in it as arrived until it gives them up.
OUTAGE_REPORTED_S: Final = 0.25

# After a loss, reports go on for a while, so that the sender learns when the loss has ended: the first REPORT_EVERY_S after the
# last loss, each further one after twice as long, up to this.
CALM_EVERY_S: Final = 1.0
CALM_FOR_S: Final = 60.0

_LOW_32: Final = 0xFFFF_FFFF
_HALF: Final = 0x8000_0000


def longest_frame(rate: float) -> float:
    """Returns how many bytes a frame may have on a slow path that carries `rate` bytes a second."""
    return max(rate * SHORT_S, min(rate * OCCUPANCY_S, SHORT_BYTES))


def _signed(difference: int) -> int:
    """Returns the difference of two counters of which the low 32 bits are known."""
    return (difference + _HALF & _LOW_32) - _HALF


MOST_EXPENDABLE: Final = 64  # frames whose loss is excused in advance: some that seem lost arrive late


class FrameBudget(FrameSize):
    """The sender's side."""

    __slots__ = (
        "_counted_datagrams",
        "_is_tried",
        "_long_in_a_row",
        "_most",
        "_newest",
        "_opened",
        "_relaxed_at",
        "_relaxed_datagrams",
        "_reported_at",
        "_settles_at",
        "_starts_at",
        "_swept_datagrams",
        "_told_from",
        "_was_used",
        "datagram_loss",
        "expendable",
        "loss",
        "missed",
        "recent",
        "sent_datagrams",
        "usual",
    )

    def __init__(self, *, floor: int, now: float, ceiling: int = FRAME_PLAINTEXT) -> None:
        super().__init__(floor=floor, ceiling=ceiling)
        self.loss = 0.0  # share of frames lost, smoothed
        self.datagram_loss = 0.0  # share of datagrams lost, smoothed; for the metric
        self.recent = LossWindow()  # for people
        self.missed = 0  # frames reported lost so far, some of which may only have been late
        self.sent_datagrams = 0
        self._swept_datagrams = 0  # of these up to the last sweep
        self._was_used = False  # in the second before it
        self.expendable = 0  # frames without data that the neighbour missed: their loss does not count
        self._most = ceiling  # of the ceiling, which is lower where the path is slow
        self.usual = ceiling  # the same without trials of twice the length
        self._is_tried = False  # whether longer frames than the last report of a slow path allows may be sent
        self._told_from = math.inf  # bytes of a frame that the receiver would report if the path is still as slow
        self._long_in_a_row = 0  # of these; kept once they are enough for a report
        self._relaxed_at = now
        self._relaxed_datagrams = 0
        self._starts_at: float | None = None  # when reports count again, after an outage
        self._settles_at: int | None = None  # earlier frames were longer, and lost more often
        self._reported_at = now
        self._counted_datagrams = 0
        self.restart_counters()

    def start_over(self, *, now: float) -> None:
        """Resets all measurements, after an outage or a change of path; what was lost until now does not count."""
        self.restart_counters()
        self.loss = self.datagram_loss = 0.0
        self.recent.clear()
        self._starts_at = now + OUTAGE_REPORTED_S

    def restart_counters(self) -> None:
        """Called when the owner switches to another keypair, whose counters start anew."""
        self._settles_at = None
        self._opened = 0
        self._newest = 0
        self.restart()

    def report(self, opened: int, newest: int, *, sent: int, now: float) -> None:
        """Takes a report: low 32 bits of the number of frames the peer has opened, and of the newest counter among them.

        Frames that are still missed are reported as opened, so the number falls when they are given up. `sent` is the newest
        counter sent.
        """
        if self._starts_at is not None:
            if now >= self._starts_at:
                self._opened, self._newest, self._starts_at = opened, newest, None
            return
        frames = _signed(newest - self._newest)
        lost = frames - _signed(opened - self._opened)
        if frames < 0 or not (frames or lost > 0) or lost > sent:
            return
        self._opened, self._newest = opened, newest
        excused = min(self.expendable, max(lost, 0))
        self.expendable -= excused
        lost -= excused
        self.recent.note(frames, lost, now=now)
        frames = max(frames, lost)
        if not frames:  # those given up are excused
            return
        datagrams = self.sent_datagrams - self._counted_datagrams
        self._counted_datagrams = self.sent_datagrams
        self.missed += max(lost, 0)
        self._smooth(frames, max(lost, 0) / frames, max(datagrams / frames, 1.0), now=now)
        if self._settles_at is None:
            before = self.limit
            self.judge(frames, lost, now=now)
            self._settles_at = sent & _LOW_32 if self.limit < before else None
        elif (newest - self._settles_at) & _LOW_32 < _HALF:
            self._settles_at = None

    def excuse(self, frames: int) -> None:
        """Has the loss of so many more frames not count."""
        self.expendable = min(self.expendable + frames, MOST_EXPENDABLE)

    def sent(self, length: int, datagrams: int) -> None:
        """Counts a frame of `length` bytes; how long one of a single datagram takes is not seen by its receiver."""
        self.sent_datagrams += datagrams
        if datagrams == 1:
            return
        if length > self._told_from:
            self._long_in_a_row += 1
        elif self._long_in_a_row < FRAMES_IN_A_ROW:
            self._long_in_a_row = 0

    @property
    def is_used(self) -> bool:
        """Whether there was traffic since the last sweep, or in the second before it."""
        return self._was_used or self.sent_datagrams - self._swept_datagrams >= USED_DATAGRAMS

    def slow(self, rate: float, *, now: float) -> bool:
        """Takes a report of frames that take too long: the path carries `rate` bytes a second. Tells whether this is news."""
        longest, was_quick = longest_frame(rate), self.usual == self._most
        self._told_from = TOLERANCE * longest
        self._is_tried = False
        self.usual = min(max(int(longest), self.floor), self._most)
        self._allow(self.usual, now=now)
        return was_quick and self.usual < self._most

    def sweep(self, *, now: float) -> None:
        """Notes whether there was traffic, and has longer frames tried again; to be called every second."""
        self._was_used = self.sent_datagrams - self._swept_datagrams >= USED_DATAGRAMS
        self._swept_datagrams = self.sent_datagrams
        self._relax(now=now)

    def _relax(self, *, now: float) -> None:
        is_used = self.sent_datagrams - self._relaxed_datagrams >= RELAX_DATAGRAMS
        if self.ceiling == self._most or not is_used or now < self._relaxed_at + RELAX_AFTER_S:
            return
        if not self._is_tried:
            self._is_tried = True
            self._allow(self.ceiling * 2, now=now)
        elif self._long_in_a_row >= FRAMES_IN_A_ROW or now >= self._relaxed_at + UNUSED_AFTER_S:
            self.usual = self._most
            self._allow(self._most, now=now)

    def _allow(self, ceiling: int, *, now: float) -> None:
        self.set_ceiling(min(ceiling, self._most))
        self._long_in_a_row = 0
        self._relaxed_at, self._relaxed_datagrams = now, self.sent_datagrams

    def _smooth(self, frames: int, lost: float, datagrams_per_frame: float, *, now: float) -> None:
        elapsed_s, self._reported_at = now - self._reported_at, now
        age = max(frames / SMOOTHING_FRAMES, min(elapsed_s / SMOOTHING_S, frames / LEAST_SMOOTHING_FRAMES))
        weight = -math.expm1(-age)
        self.loss += (lost - self.loss) * weight
        lost_datagrams = 1 - (1 - lost) ** (1 / datagrams_per_frame)
        self.datagram_loss += (lost_datagrams - self.datagram_loss) * weight


class ArrivalReport:
    """The receiver's side: what to report, and when. Reports are due when a frame is missing, and for a minute after."""

    __slots__ = ("_calm_every_s", "_calm_until", "_missing", "_reported_at", "due_at", "newest", "opened")

    def __init__(self) -> None:
        self.opened = 0
        self.newest = 0
        self.due_at = math.inf
        self._missing = 0  # frames missing at the last report
        self._reported_at = -math.inf
        self._calm_until = -math.inf
        self._calm_every_s = CALM_EVERY_S

    def add(self, counter: int, *, now: float) -> bool:
        """Notes an opened frame; tells whether a report must be sent."""
        self.opened += 1
        if counter > self.newest:
            self.newest = counter
            if counter - self.opened > self._missing:
                self.due_at = min(self.due_at, max(now + REPORT_AFTER_S, self._reported_at + REPORT_EVERY_S))
        return now >= self.due_at and self.is_due(now=now)

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
            self._calm_every_s = REPORT_EVERY_S
        else:
            self._calm_every_s = min(2 * self._calm_every_s, CALM_EVERY_S)
        self._missing = missing
        self._reported_at = now
        self.due_at = self._calm_report_at()
        return self.opened & _LOW_32, self.newest & _LOW_32

    def _calm_report_at(self) -> float:
        at = self._reported_at + self._calm_every_s
        return at if at < self._calm_until else math.inf
