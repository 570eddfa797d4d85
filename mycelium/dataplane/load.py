"""Load between two nodes, for a speed test: how much of it may be under way at a time, and what of it has arrived.

The window is what the way held in the last rounds, and more for as long as that arrives: twice as much each round until the
first loss, a tenth afterwards. It never exceeds what keeps a queue of the round trip and QUEUE_S filled, so that a deep queue
is not filled to its end; losses take it back, but not below what arrives within the least round trip.

What the window allows leaves at a pace somewhat above the best rate of the last rounds, not in bursts, so that a short queue
holds it (as in BBR).
"""

from collections import deque
from math import inf
from typing import Final, NamedTuple

from mycelium.wire.speed import LOAD_HEAD_BYTES, Arrivals

FIRST_WINDOW: Final = 12_000  # bytes: ten datagrams, as TCP begins (RFC 6928)
MOST_IN_WINDOW: Final = 8 << 20  # bytes: 0.5 s at 128 Mbit/s, 20 ms at 3 Gbit/s; what a transport queues of bulk data
LEAST_TRAIN: Final = 1_100  # bytes; fits one datagram on every path
PARTS: Final = 16  # trains that share a window, if it is no larger, and acknowledgements for one
QUEUE_S: Final = 0.05  # that may wait on the way, or in processes that run late, besides a round trip
LOSS_TOLERATED: Final = 0.02  # share of the trains of a round
AFTER_LOSS: Final = 0.7
STEP_AT_FIRST: Final = 2.0
STEP: Final = 1.1
ROUNDS: Final = 8  # whose best rate counts
STALLED_S: Final = 0.25  # without an acknowledgement, and STALLED_ROUND_TRIPS: what is under way is lost
STALLED_ROUND_TRIPS: Final = 4
DRAIN: Final = 0.9  # of the best rate of the last rounds: the pace after a round with losses
AT_ONCE_S: Final = 0.001  # of the pace: how late a timer may be, and how much is sent then


class _Mark(NamedTuple):
    """A train that wants an acknowledgement, and what was known when it was sent."""

    number: int
    sent_bytes: int  # up to its end
    sent_at: float
    arrived: Arrivals
    known_at: float  # when that became known


class LoadSender:
    """The sender's side of load in one direction."""

    def __init__(self, *, now: float) -> None:
        self.number = 0  # of the next train
        self.sent_bytes = 0
        self.arrived = Arrivals(-1, 0, 0, 0.0)
        self.heard_at = now  # when that became known
        self.window = FIRST_WINDOW
        self._settled_bytes = 0  # of those sent, arrived or lost
        self._marks: deque[_Mark] = deque()
        self._rtt_s = inf  # the least
        self._rates: deque[float] = deque(
            [0.0], maxlen=ROUNDS
        )  # best of each round, bytes a second; the current one last
        self._round = self.arrived  # what had arrived when the round began
        self._round_ends = 0  # number of the first train of the next round
        self._step = STEP_AT_FIRST
        self._gain = STEP_AT_FIRST  # of the pace, over the best rate
        self.next_at = now  # when the next train may leave

    @property
    def bytes_under_way(self) -> int:
        """What is neither known to have arrived nor lost."""
        return self.sent_bytes - self._settled_bytes

    @property
    def _pace(self) -> float:
        """Bytes a second at which trains leave; infinite before anything has arrived."""
        return self._gain * max(self._rates) or inf

    def next_train(self, limit: int, *, now: float) -> int:
        """Returns the length of the train that may be sent now, 0 for none; by `next_at` alone only the pace may forbid it."""
        at_once = int(min(self.window // PARTS, limit, self._pace * AT_ONCE_S))
        length = max(at_once, min(LEAST_TRAIN, limit), LOAD_HEAD_BYTES)
        is_full = self.bytes_under_way and self.bytes_under_way + length > self.window
        return 0 if is_full or now < self.next_at else length

    def sent(self, length: int, *, is_last: bool = False, now: float) -> bool:
        """Counts a train; returns whether it wants an acknowledgement, as the last one does."""
        self.sent_bytes += length
        self.number += 1
        self.next_at = max(self.next_at, now - AT_ONCE_S) + length / self._pace
        marked_bytes = self._marks[-1].sent_bytes if self._marks else self._settled_bytes
        is_last_for_now = is_last or self.bytes_under_way + length > self.window
        if not is_last_for_now and self.sent_bytes - marked_bytes < self.window // PARTS:
            return False
        self._marks.append(_Mark(self.number - 1, self.sent_bytes, now, self.arrived, self.heard_at))
        return True

    def acknowledged(self, arrived: Arrivals, *, now: float) -> None:
        """Takes what has arrived; what is older than what is known, or impossible, is ignored."""
        is_possible = arrived.newest < self.number and arrived.bytes <= self.sent_bytes
        if not is_possible or arrived.trains <= self.arrived.trains or arrived.newest < self.arrived.newest:
            return
        mark = None
        while self._marks and self._marks[0].number <= arrived.newest:
            mark = self._marks.popleft()
        self.arrived, self.heard_at = arrived, now
        if mark is None:
            return
        self._settled_bytes = max(mark.sent_bytes, self._settled_bytes)
        self._rtt_s = min(self._rtt_s, now - mark.sent_at)
        took_s = max(now - mark.known_at, arrived.elapsed_s - mark.arrived.elapsed_s)
        self._rates[-1] = max(self._rates[-1], (arrived.bytes - mark.arrived.bytes) / max(took_s, 1e-6))
        if mark.number >= self._round_ends:
            self._end_round()

    def stalled(self, *, now: float) -> None:
        """Begins anew with a small window if acknowledgements have been missing for long; to be called now and then."""
        patience_s = STALLED_S if self._rtt_s == inf else max(STALLED_S, STALLED_ROUND_TRIPS * self._rtt_s)
        if self.bytes_under_way and now > max(self.heard_at, self._sent_at()) + patience_s:
            self._settled_bytes = self.sent_bytes
            self._marks.clear()
            self.window = FIRST_WINDOW

    def _sent_at(self) -> float:
        return self._marks[-1].sent_at if self._marks else -inf

    def _end_round(self) -> None:
        trains = self.arrived.newest - self._round.newest
        lost = trains - (self.arrived.trains - self._round.trains)
        rate = max(self._rates)
        if lost > LOSS_TOLERATED * trains:
            self._step, self._gain = STEP, DRAIN
            window = max(self.window * AFTER_LOSS, rate * self._rtt_s)
        else:
            self._gain = self._step
            window = min(self.window * self._step, 2 * rate * (self._rtt_s + QUEUE_S))
        self.window = int(min(max(window, FIRST_WINDOW), MOST_IN_WINDOW))
        self._rates.append(0.0)
        self._round, self._round_ends = self.arrived, self.number


class LoadReceiver:
    """The receiver's side: counts what arrives."""

    def __init__(self) -> None:
        self._first_at: float | None = None
        self.arrived = Arrivals(-1, 0, 0, 0.0)

    def take(self, number: int, length: int, *, now: float) -> None:
        """Takes one train."""
        if self._first_at is None:
            self._first_at = now
        newest, trains, bytes_, _ = self.arrived
        self.arrived = Arrivals(max(newest, number), trains + 1, bytes_ + length, now - self._first_at)
