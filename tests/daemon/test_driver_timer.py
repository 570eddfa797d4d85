"""The driver's one timer: armed for the node's next deadline after every call, and moved only when that comes earlier."""

from time import monotonic
from typing import Any

import pytest

from mycelium.daemon.driver import Driver
from mycelium.node.node import Node
from mycelium.transport.set import TransportSet
from sim.net.node_net import NodeNet


class Timer:
    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Loop:
    """Stands in for an event loop: remembers how long each timer is to wait."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.timers: list[Timer] = []

    def call_later(self, seconds: float, action: Any) -> Timer:
        self.waits.append(seconds)
        self.timers.append(Timer())
        return self.timers[-1]


def driver_of(node: Node, loop: Any) -> Driver:
    return Driver(
        node,
        transports=TransportSet([]),
        tun=None,
        loop=loop,
        on_event=lambda event: None,
        on_journal=lambda: None,
        on_tun_lost=lambda: None,
    )


def test_the_timer_is_moved_only_for_an_earlier_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, node = Loop(), NodeNet().add("a").node
    driver = driver_of(node, loop)
    for deadline in (1002.0, 1002.0, 1005.0, 1001.0, 1001.5):
        monkeypatch.setattr(node, "next_deadline", lambda deadline=deadline: deadline)
        driver._arm(now=1000.0)
    assert loop.waits == [2.0, 1.0]
    assert [timer.is_cancelled for timer in loop.timers] == [True, False]


def test_a_timer_that_fires_early_is_armed_again_and_calls_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, node = Loop(), NodeNet().add("a").node
    driver = driver_of(node, loop)
    calls: list[float] = []
    monkeypatch.setattr(node, "handle_timeout", lambda *, now: calls.append(now))
    deadline = [monotonic()]
    monkeypatch.setattr(node, "next_deadline", lambda: deadline[0])
    driver._arm(now=monotonic())
    deadline[0] += 10.0  # it has moved later meanwhile
    driver._on_timer()
    assert calls == []
    assert loop.waits[1] == pytest.approx(10.0, abs=1.0)


def test_a_timer_that_is_due_at_once_is_not_taken_for_a_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every neighbour would be redialled whenever something is to be sent at once, as when a link has died."""
    loop, node = Loop(), NodeNet().add("a").node
    slept: list[float] = []
    monkeypatch.setattr(node, "resumed", lambda *, now: slept.append(now))
    driver = driver_of(node, loop)
    monkeypatch.setattr(node, "next_deadline", lambda: float("-inf"))
    driver._arm(now=monotonic())
    driver._on_timer()
    assert slept == []


def test_a_clock_that_was_set_forward_has_all_keys_dropped_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, node = Loop(), NodeNet().add("a").node
    dropped: list[Node] = []
    monkeypatch.setattr("mycelium.daemon.driver.drop_keys", lambda node, *, now: dropped.append(node))
    offset_s = [1_000.0]
    monkeypatch.setattr("mycelium.daemon.driver.clock_offset_s", lambda: offset_s[0])
    driver = driver_of(node, loop)
    for offset_s[0] in (1_000.5, 5_000.0, 5_000.0):
        driver._arm(now=monotonic())
        driver._on_timer()
    assert dropped == [node]
