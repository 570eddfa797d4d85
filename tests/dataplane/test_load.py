"""Load over a modelled way: a rate with a queue, and a round trip. Most of what the way carries is used, and no more waits."""

from collections import deque

import pytest

from mycelium.dataplane.load import (
    FIRST_WINDOW,
    LEAST_TRAIN,
    MOST_IN_WINDOW,
    QUEUE_S,
    STALLED_S,
    LoadReceiver,
    LoadSender,
)
from mycelium.wire.speed import Arrivals

LIMIT = 60_000  # bytes of a train
STEP_S = 0.0005


class Way:
    """Carries trains to a receiver at a rate, and its acknowledgements back; what the queue has no room for is lost."""

    def __init__(self, rate: float, *, rtt_s: float, queue_bytes: int = 1 << 20) -> None:
        self.now = 100.0
        self.sender = LoadSender(now=self.now)
        self.receiver = LoadReceiver()
        self.is_cut = False
        self.most_waiting_s = 0.0
        self._rate = rate
        self._rtt_s = rtt_s
        self._queue_bytes = queue_bytes
        self._free_at = self.now
        self._coming: deque[tuple[float, int, int, bool]] = deque()
        self._acknowledged: deque[tuple[float, Arrivals]] = deque()

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            while length := self.sender.next_train(LIMIT, now=self.now):
                self._send(length)
            self.now += STEP_S
            while self._coming and self._coming[0][0] <= self.now:
                _, number, length, wants = self._coming.popleft()
                self.receiver.take(number, length, now=self.now)
                if wants:
                    self._acknowledged.append((self.now + self._rtt_s / 2, self.receiver.arrived))
            while self._acknowledged and self._acknowledged[0][0] <= self.now:
                self.sender.acknowledged(self._acknowledged.popleft()[1], now=self.now)
            self.sender.stalled(now=self.now)

    def _send(self, length: int) -> None:
        number = self.sender.number
        wants = self.sender.sent(length, now=self.now)
        waiting_s = max(self._free_at - self.now, 0.0)
        if self.is_cut or waiting_s * self._rate > self._queue_bytes:
            return
        self.most_waiting_s = max(self.most_waiting_s, waiting_s)
        self._free_at = max(self._free_at, self.now) + length / self._rate
        self._coming.append((self._free_at + self._rtt_s / 2, number, length, wants))

    @property
    def share(self) -> float:
        """What has arrived, as a share of what the way carries."""
        return self.receiver.arrived.bytes / (self.receiver.arrived.elapsed_s * self._rate)


@pytest.mark.parametrize(
    ("rate", "rtt_s"), [(50e3, 0.02), (1e6, 0.001), (1e6, 0.3), (10e6, 0.02), (100e6, 0.02), (200e6, 0.002)]
)
def test_the_load_finds_what_a_way_carries_and_lets_little_wait(rate: float, rtt_s: float) -> None:
    way = Way(rate, rtt_s=rtt_s, queue_bytes=1 << 30)
    way.run(2 + 20 * rtt_s)
    begun = way.receiver.arrived
    way.run(3)
    arrived = way.receiver.arrived
    assert (arrived.bytes - begun.bytes) / (arrived.elapsed_s - begun.elapsed_s) > 0.9 * rate
    assert arrived.trains == arrived.newest + 1, "nothing is lost"
    assert way.most_waiting_s < 1.2 * (rtt_s + 2 * QUEUE_S) + FIRST_WINDOW / rate, "a deep queue is not filled"


@pytest.mark.parametrize(("rate", "rtt_s"), [(3e6, 0.02), (12.5e6, 0.05), (50e6, 0.02), (125e6, 0.002), (125e6, 0.05)])
def test_a_queue_of_64_kib_is_enough_since_trains_are_paced(rate: float, rtt_s: float) -> None:
    way = Way(rate, rtt_s=rtt_s, queue_bytes=64 << 10)
    way.run(2)
    begun = way.receiver.arrived
    way.run(3)
    arrived = way.receiver.arrived
    assert (arrived.bytes - begun.bytes) / (arrived.elapsed_s - begun.elapsed_s) > 0.85 * rate
    assert arrived.trains > 0.92 * (arrived.newest + 1)


def test_the_pace_alone_may_forbid_a_train_and_then_tells_until_when() -> None:
    way = Way(10e6, rtt_s=0.02, queue_bytes=1 << 30)
    way.run(1)
    sender = way.sender
    sender.window = MOST_IN_WINDOW
    while length := sender.next_train(LIMIT, now=way.now):
        sender.sent(length, now=way.now)
    assert sender.bytes_under_way < MOST_IN_WINDOW / 2
    assert way.now < sender.next_at < way.now + 0.01
    assert sender.next_train(LIMIT, now=sender.next_at)


def test_losses_take_the_window_back_but_not_below_what_arrives() -> None:
    way = Way(10e6, rtt_s=0.02, queue_bytes=100_000)
    way.run(5)
    lost = 1 - way.receiver.arrived.trains / (way.receiver.arrived.newest + 1)
    assert 0 < lost < 0.2
    assert way.share > 0.8


def test_a_window_starts_small_and_never_exceeds_what_is_allowed() -> None:
    sender = LoadSender(now=0.0)
    lengths = []
    while length := sender.next_train(LIMIT, now=0.0):
        lengths.append(length)
        sender.sent(length, now=0.0)
    assert FIRST_WINDOW - LEAST_TRAIN < sum(lengths) <= FIRST_WINDOW
    way = Way(1e9, rtt_s=0.1, queue_bytes=1 << 30)
    way.run(3)
    assert way.sender.window == MOST_IN_WINDOW
    assert way.sender.bytes_under_way <= MOST_IN_WINDOW


def test_a_frame_that_holds_little_is_not_exceeded() -> None:
    assert LoadSender(now=0.0).next_train(300, now=0.0) == 300


def test_after_a_cut_a_small_window_is_tried_now_and_then_until_the_way_is_back() -> None:
    way = Way(10e6, rtt_s=0.02)
    way.run(1)
    way.is_cut = True
    way.run(1)  # what is under way arrives
    before = way.sender.sent_bytes
    way.run(10 * STALLED_S)
    assert way.sender.window == FIRST_WINDOW
    assert 2 * FIRST_WINDOW < way.sender.sent_bytes - before < 12 * FIRST_WINDOW
    way.is_cut = False
    arrived = way.receiver.arrived.bytes
    way.run(2)
    assert way.receiver.arrived.bytes - arrived > 10e6


@pytest.mark.parametrize(
    "lie",
    [Arrivals(99, 1, 100, 0.1), Arrivals(0, 1, 1 << 40, 0.1), Arrivals(0, 0, 0, 0.0), Arrivals(-1, 1, 0, 0.0)],
)
def test_an_impossible_or_stale_acknowledgement_changes_nothing(lie: Arrivals) -> None:
    sender = LoadSender(now=0.0)
    for _ in range(3):
        sender.sent(1_100, now=0.0)
    sender.acknowledged(Arrivals(0, 1, 1_100, 0.0), now=0.01)
    before = sender.arrived, sender.window, sender.bytes_under_way
    sender.acknowledged(lie, now=0.02)
    assert (sender.arrived, sender.window, sender.bytes_under_way) == before


def test_what_arrives_is_counted_from_the_first_of_it() -> None:
    receiver = LoadReceiver()
    receiver.take(3, 100, now=5.0)
    receiver.take(1, 100, now=5.5)
    assert receiver.arrived == Arrivals(3, 2, 200, 0.5)
