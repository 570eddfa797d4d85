"""The driver on two nodes joined in memory: what the system refuses is told at once, and late timers wait for what has come."""

import asyncio
import os
import random
from time import monotonic

import pytest

from mycelium.crypto.primitives import RealPrimitives
from mycelium.daemon.driver import READS_PER_WAKE, Driver
from mycelium.endpoint import Endpoint
from mycelium.identity import Identity
from mycelium.link.link import LinkState
from mycelium.node.journal import Kind
from mycelium.node.node import Node, NodeSettings
from mycelium.outbox import Event, ResolvePeer
from mycelium.transport.base import Received
from mycelium.transport.memory import MemoryHub, MemoryTransport
from mycelium.wire.datagram import SUITE_CHACHA20_POLY1305


class Host:
    """A node with a driver and one transport."""

    def __init__(self, hub: MemoryHub, name: str, peer: Endpoint, loop: asyncio.AbstractEventLoop) -> None:
        self.transport: MemoryTransport = hub.open(name)
        self.peer = peer
        self.is_linked = asyncio.Event()
        self.node = Node(
            Identity(os.urandom(32)),
            settings=NodeSettings(suites=SUITE_CHACHA20_POLY1305),
            epoch=1,
            entropy=os.urandom,
            rng=random.Random(1),
            primitives=RealPrimitives(),
            now=monotonic(),
        )
        self.driver = Driver(
            self.node,
            transports=[self.transport],
            tun=None,
            loop=loop,
            on_event=self.on_event,
            on_journal=self.on_journal,
        )

    def on_event(self, event: Event) -> None:
        if isinstance(event, ResolvePeer):
            self.node.peer_resolved(event.url, [self.peer], now=monotonic())

    def on_journal(self) -> None:
        if any(entry.kind is Kind.LINK_UP for entry in self.node.journal.after(0)):
            self.is_linked.set()


async def linked_pair() -> tuple[Host, Host]:
    hub, loop = MemoryHub(), asyncio.get_running_loop()
    one, other = (Host(hub, name, Endpoint("memory", peer, 9651), loop) for name, peer in ("ab", "ba"))
    for host in (one, other):
        host.driver.start()
    one.driver.act(lambda now: one.node.add_peer("memory://b:9651", now=now))
    async with asyncio.timeout(10):
        await one.is_linked.wait()
        await other.is_linked.wait()
    return one, other


def stop(*hosts: Host) -> None:
    for host in hosts:
        host.driver.stop()
        host.transport.close()


def test_a_way_that_the_system_refuses_is_left_at_once() -> None:
    async def run() -> None:
        one, other = await linked_pair()
        [link] = one.node.links.values()
        one.transport.unreachable[link.active.endpoint] = None
        one.driver.act(lambda now: None)
        assert link.state is LinkState.SUSPECT
        assert not one.transport.unreachable
        stop(one, other)

    asyncio.run(run())


def test_the_timer_waits_for_a_long_backlog_to_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        one, other = await linked_pair()
        backlog = iter([0.3] * (3 * READS_PER_WAKE) + [0.001] * READS_PER_WAKE)
        read: list[float] = []

        def receive() -> Received:
            return memoryview(bytearray(64)), 64, one.transport.endpoint

        def waited_s() -> float:
            read.append(next(backlog))
            return read[-1]

        monkeypatch.setattr(one.transport, "receive", receive)
        monkeypatch.setattr(one.transport, "waited_s", waited_s)
        one.driver._on_transport(one.transport)
        monkeypatch.setattr(one.node, "handle_timeout", lambda *, now: read.append(-1.0))
        one.driver._on_timer()
        assert read == [0.3] * (3 * READS_PER_WAKE) + [0.001] * READS_PER_WAKE + [-1.0]
        stop(one, other)

    asyncio.run(run())


@pytest.mark.parametrize("late_s", [0.0, 0.3])
def test_a_late_timer_is_looked_at_after_what_has_come(late_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        one, other = await linked_pair()
        order: list[str] = []
        receive, handle_timeout = one.node.receive, one.node.handle_timeout

        def on_receive(
            endpoint: Endpoint, burst: memoryview, segment_size: int, *, now: float, waited_s: float
        ) -> None:
            order.append("datagram")
            receive(endpoint, burst, segment_size, now=now, waited_s=waited_s)

        def on_timeout(*, now: float) -> None:
            order.append("timer")
            handle_timeout(now=now)

        other.driver.act(lambda now: other.node.network_changed(now=now))
        other.driver._on_timer()  # its probe is on its way
        monkeypatch.setattr(one.node, "receive", on_receive)
        monkeypatch.setattr(one.node, "handle_timeout", on_timeout)
        one.driver._armed_for = monotonic() - late_s
        one.driver._on_timer()
        assert list(dict.fromkeys(order)) == (["datagram", "timer"] if late_s else ["timer"])
        stop(one, other)

    asyncio.run(run())
