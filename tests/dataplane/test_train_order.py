"""The order of trains while their sender changes from relays to a direct link."""

from math import inf
from types import SimpleNamespace
from typing import Any

import pytest

from mycelium.dataplane import train_order
from mycelium.dataplane.train_order import WATCH_S, TrainOrder

PEER, RELAY, INDEX = b"p" * 16, b"r" * 16, 7


class Opened:
    """Stands in for the sessions and for what opens trains."""

    def __init__(self) -> None:
        self.counters: list[int] = []
        self.trains: list[bytes] = []
        self.opening = SimpleNamespace(newest=0)
        sessions: Any = SimpleNamespace(by_index={INDEX: (None, SimpleNamespace(opening=self.opening))})
        self.armed = 0
        self.order = TrainOrder(sessions, self._open)
        self.order.arm = self._arm
        self.order.watch(PEER, wait_s=0.1, now=10.0)

    def _arm(self) -> None:
        self.armed += 1

    def _open(self, hop_limit: int, index: int, counter: int, source: bytes, train: memoryview, *, now: float) -> None:
        self.counters.append(counter)
        self.trains.append(bytes(train))
        self.opening.newest = max(self.opening.newest, counter)

    def arrive(self, counter: int, neighbour: bytes, *, now: float = 10.5, index: int = INDEX) -> None:
        train = bytearray(b"%d" % counter)
        self.order.take(64, index, counter, PEER, memoryview(train), neighbour, now=now)
        train[:] = bytes(len(train))  # its buffer is used again


def test_what_came_directly_waits_for_what_was_sent_earlier() -> None:
    opened = Opened()
    for counter, neighbour in ((1, RELAY), (4, PEER), (5, PEER), (2, RELAY), (6, PEER), (3, RELAY), (7, PEER)):
        opened.arrive(counter, neighbour)
    assert opened.counters == [1, 2, 3, 4, 5, 6, 7]
    assert opened.trains == [b"%d" % counter for counter in opened.counters]


def test_it_waits_no_longer_than_what_is_under_way_can_take() -> None:
    opened = Opened()
    opened.arrive(1, RELAY)
    opened.arrive(4, PEER, now=10.5)
    opened.arrive(3, PEER, now=10.55)
    assert opened.order.next_deadline() == pytest.approx(10.6)
    assert opened.armed == 1
    opened.order.handle_timeout(now=10.59)
    assert opened.counters == [1]
    opened.order.handle_timeout(now=10.61)
    assert opened.counters == [1, 3, 4]
    assert opened.order.by_peer == {}
    assert opened.order.next_deadline() == inf


def test_losses_over_the_relay_hold_nothing_up() -> None:
    opened = Opened()
    for counter in (1, 3, 2, 5):
        opened.arrive(counter, RELAY)
    assert opened.counters == [1, 3, 2, 5]


def test_a_peer_that_does_not_change_is_watched_for_a_while_only() -> None:
    opened = Opened()
    opened.order.watch(PEER, wait_s=99.0, now=11.0)
    assert opened.order.next_deadline() == pytest.approx(10.0 + WATCH_S)
    opened.order.handle_timeout(now=10.1 + WATCH_S)
    assert opened.order.by_peer == {}


def test_trains_under_unknown_keys_do_not_wait() -> None:
    opened = Opened()
    opened.arrive(900, PEER, index=INDEX + 1)
    assert opened.counters == [900]


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_order, "OVERTAKING_BYTES", 3)
    opened = Opened()
    for counter in (9, 8, 7, 6):
        opened.arrive(counter, PEER)
    assert opened.counters == [6, 7, 8, 9]
