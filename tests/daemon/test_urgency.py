"""What is urgent after traffic: the driver arms its timer for it, and only for it."""

from time import monotonic
from typing import Any

import pytest

from mycelium.daemon.driver import TICK_S, Driver
from mycelium.transport.set import TransportSet
from sim.net.node_net import NodeNet


class Loop:
    """Stands in for an event loop: remembers how long each timer is to wait."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def call_later(self, seconds: float, action: Any) -> None:
        self.waits.append(seconds)


@pytest.mark.parametrize(("urgent_in", "expected"), [(float("inf"), TICK_S), (0.001, 0.001), (1.0, TICK_S)])
def test_the_timer_is_armed_for_the_next_tick_or_for_what_is_urgent(urgent_in: float, expected: float) -> None:
    loop: Any = Loop()
    node = NodeNet().add("a").node
    driver = Driver(
        node, transports=TransportSet([]), tun=None, loop=loop, on_event=lambda event: None, on_journal=lambda: None
    )
    driver._armed_for = 2000.0
    node.outbox.urgent_at = 1000.0 + urgent_in
    driver._tick(1000.0)
    assert loop.waits == [pytest.approx(expected)]
    driver._tick(1000.0)
    assert len(loop.waits) == 1, "it is armed already"


def test_a_timer_that_is_due_at_once_is_not_taken_for_a_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every neighbour would be knocked at whenever something is to be sent at once, as when a link has died."""
    loop: Any = Loop()
    node = NodeNet().add("a").node
    slept: list[float] = []
    monkeypatch.setattr(node, "resumed", lambda *, now: slept.append(now))
    driver = Driver(
        node, transports=TransportSet([]), tun=None, loop=loop, on_event=lambda event: None, on_journal=lambda: None
    )
    driver._set_timer(float("-inf"), monotonic())
    driver._on_timer()
    assert slept == []
