"""The driver on two nodes: what the system refuses is told at once, a full transport holds nobody else back, and late timers
wait for what has arrived.
"""

import asyncio
import os
import random
import socket
from collections.abc import Callable, Sequence
from time import monotonic

import pytest

from mycelium.crypto.primitives import RealPrimitives
from mycelium.daemon import driver
from mycelium.daemon.driver import (
    CATCH_UP_S,
    DATAGRAMS_OF_LINK,
    READS_PER_WAKE,
    ROUNDS_TO_CATCH_UP,
    TUN_PAUSE_S,
    Driver,
)
from mycelium.endpoint import Endpoint
from mycelium.errors import DeviceError
from mycelium.identity import Identity
from mycelium.limits import DATAGRAM_FLOOR, PACKETS_PER_BATCH
from mycelium.link.link import LinkState
from mycelium.node.event_kind import EventKind
from mycelium.node.node import Node
from mycelium.node.settings import NodeSettings
from mycelium.outbox import Event, ResolvePeer
from mycelium.packet.batch import PacketBatch
from mycelium.transport.base import Buffer, Received, Transport
from mycelium.transport.memory import MemoryHub, MemoryTransport
from mycelium.transport.set import TransportSet
from mycelium.transport.udp import UdpTransport
from mycelium.transport.udp_port import open_udp
from mycelium.transport.underlay import Underlay
from mycelium.tun.base import TunDevice
from mycelium.tun.memory import MemoryTun
from mycelium.wire.datagram import FRAME_HEAD, FRAME_WORD, SUITE_CHACHA20_POLY1305
from tests.lab.waiting import PATIENCE_S

LINKS = 1_600


class Host:
    """A node with a driver and its transports."""

    def __init__(
        self,
        transports: Sequence[Transport],
        peer: Endpoint,
        loop: asyncio.AbstractEventLoop,
        tun: TunDevice | None = None,
    ) -> None:
        self.transports = TransportSet(transports)
        self.peer = peer
        self.is_linked = asyncio.Event()
        self.tun_lost = asyncio.Event()
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
            transports=self.transports,
            tun=tun,
            loop=loop,
            on_event=self.on_event,
            on_journal=self.on_journal,
            on_tun_lost=self.tun_lost.set,
        )

    def on_event(self, event: Event) -> None:
        if isinstance(event, ResolvePeer):
            self.node.peer_resolved(event.url, [self.peer], now=monotonic())

    def on_journal(self) -> None:
        if any(entry.kind is EventKind.LINK_UP for entry in self.node.journal.after(0)):
            self.is_linked.set()


async def linked_pair() -> tuple[Host, Host]:
    hub, loop = MemoryHub(), asyncio.get_running_loop()
    one, other = (Host([hub.open(name)], Endpoint("memory", peer, 9651), loop) for name, peer in ("ab", "ba"))
    await link(one, other)
    return one, other


async def link(one: Host, other: Host) -> None:
    """Has `one` dial its peer, and waits until both have a link."""
    for host in (one, other):
        host.driver.start()
    one.driver.act(lambda now: one.node.add_peer("memory://b:9651", now=now))
    async with asyncio.timeout(PATIENCE_S):
        await one.is_linked.wait()
        await other.is_linked.wait()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 (what is waited for is plain state)
            await asyncio.sleep(0.001)


def stop(*hosts: Host) -> None:
    for host in hosts:
        host.driver.stop()
        for transport in host.transports.transports:
            transport.close()


def test_a_way_that_the_system_refuses_is_left_at_once() -> None:
    async def run() -> None:
        one, other = await linked_pair()
        [link] = one.node.links.values()
        [transport] = one.transports.transports
        transport.unreachable[link.paths.active.endpoint] = ""
        one.driver.act(lambda now: None)
        assert link.state is LinkState.SUSPECT
        assert not transport.unreachable
        stop(one, other)

    asyncio.run(run())


def test_a_datagram_too_long_for_the_interface_shortens_those_of_its_path_at_once() -> None:
    async def run() -> None:
        one, other = await linked_pair()
        [link] = one.node.links.values()
        [transport] = one.transports.transports
        await until(lambda: link.paths.active.mtu.size > DATAGRAM_FLOOR)
        transport.oversize[link.paths.active.endpoint] = link.paths.active.mtu.size
        one.driver.act(lambda now: None)
        assert link.paths.active.mtu.size == DATAGRAM_FLOOR
        assert not transport.oversize
        stop(one, other)

    asyncio.run(run())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_of_sockets_of_two_families_the_right_one_dials(host: str) -> None:
    """Whichever was opened first; and the neighbour accepts answers only from where it was dialled."""

    async def run() -> None:
        sockets = [UdpTransport.open(one, 0) for one in ("127.0.0.1", "::1")]
        theirs = UdpTransport.open(host, 0)
        loop = asyncio.get_running_loop()
        one = Host(sockets, theirs.local_endpoints[0], loop)
        other = Host([theirs], theirs.local_endpoints[0], loop)
        await link(one, other)
        stop(one, other)

    asyncio.run(run())


class WatchedTun(MemoryTun):
    """Remembers when it was read."""

    def __init__(self) -> None:
        super().__init__()
        self.read_at: list[float] = []

    def read_batch(self, batch: PacketBatch) -> int:
        self.read_at.append(monotonic())
        return super().read_batch(batch)


class FullTransport(MemoryTransport):
    """Takes nothing once it is told so."""

    is_full = False

    def send(
        self,
        endpoint: Endpoint,
        buffers: Sequence[Buffer],
        segment_size: int,
        is_bulk: bool = False,
        traffic_class: int = 0,
    ) -> bool:
        return not self.is_full and super().send(endpoint, buffers, segment_size, is_bulk)


def test_a_full_transport_stops_the_reading_of_tun_for_a_moment_only() -> None:
    """Traffic that takes other transports flows on, however long the one stays full."""

    async def run() -> None:
        hub, loop = MemoryHub(), asyncio.get_running_loop()
        full = FullTransport(hub, Endpoint("full", "a", 9651))
        tun = WatchedTun()
        one = Host([full, hub.open("a")], Endpoint("memory", "b", 9651), loop, tun)
        other = Host([hub.open("b")], Endpoint("memory", "a", 9651), loop)
        await link(one, other)
        full.is_full = True
        tun.read_at.clear()
        one.node.outbox.transmits.append((Endpoint("full", "b", 1), [b"x"], 1, True, 0))
        filled_at = monotonic()
        one.driver.act(lambda now: None)
        tun.send(b"\x60" + bytes(59))
        await until(lambda: tun.read_at != [])
        assert tun.read_at[0] - filled_at >= TUN_PAUSE_S * 0.9
        one.node.outbox.transmits.append((Endpoint("full", "b", 1), [b"x"], 1, True, 0))
        one.driver.act(lambda now: None)
        assert one.driver._resume is None, "it has been full all the time: TUN is not stopped again"
        stop(one, other)

    asyncio.run(run())


def test_a_device_that_is_drained_is_not_read_again() -> None:
    async def run() -> None:
        tun = WatchedTun()
        one = Host([MemoryHub().open("a")], Endpoint("memory", "b", 9651), asyncio.get_running_loop(), tun)
        one.driver.start()
        for _ in range(PACKETS_PER_BATCH + 1):
            tun.send(b"\x60" + bytes(59))
        one.driver._on_tun()
        assert len(tun.read_at) == 2
        stop(one)

    asyncio.run(run())


def test_what_the_kernel_answers_to_packets_is_read_before_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        hub, tun, packet = MemoryHub(), WatchedTun(), memoryview(b"\x60" + bytes(59))
        transport, other = hub.open("a"), hub.open("b")
        one = Host([transport], other.endpoint, asyncio.get_running_loop(), tun)
        one.driver.start()
        deliveries = one.node.outbox.deliveries
        for delivered in ([], [(packet, 0, 0)]):
            monkeypatch.setattr(one.driver, "_receive", lambda *_, found=delivered, **__: deliveries.extend(found))
            other.send(transport.endpoint, [bytes(64)], 64)
            one.driver._on_transport(transport)
            assert len(tun.read_at) == len(delivered)
        stop(one)

    asyncio.run(run())


class LostTun(MemoryTun):
    """Can be read no more."""

    def read_batch(self, batch: PacketBatch) -> int:
        raise DeviceError("the TUN device was removed")


def test_a_device_that_is_gone_is_read_no_more_and_another_may_take_its_place() -> None:
    async def run() -> None:
        lost, tun = LostTun(), WatchedTun()
        one = Host([MemoryHub().open("a")], Endpoint("memory", "b", 9651), asyncio.get_running_loop(), lost)
        one.driver.start()
        lost.send(b"\x60" + bytes(59))
        async with asyncio.timeout(PATIENCE_S):
            await one.tun_lost.wait()
        one.tun_lost.clear()
        one.node.outbox.deliveries.append((memoryview(b"packet"), 0, 0))
        one.driver.act(lambda now: None)
        assert not one.node.outbox.deliveries
        assert lost.written == []
        tun.send(b"\x60" + bytes(59))
        one.driver.attach(tun)
        await until(lambda: bool(tun.read_at))
        assert not one.tun_lost.is_set()
        stop(one)

    asyncio.run(run())


def test_a_transport_that_is_backed_up_stops_the_reading_of_tun_until_it_is_relieved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        hub, loop = MemoryHub(), asyncio.get_running_loop()
        busy, tun = hub.open("aa", scheme="busy"), WatchedTun()
        one = Host([busy, hub.open("a")], Endpoint("memory", "b", 9651), loop, tun)
        other = Host([hub.open("b")], Endpoint("memory", "a", 9651), loop)
        await link(one, other)
        monkeypatch.setattr(busy, "is_backed_up", True)
        one.node.outbox.transmits.append((Endpoint("busy", "b", 1), [b"x"], 1, True, 0))
        one.driver.act(lambda now: None)
        tun.read_at.clear()
        one.driver._on_transport(busy)
        one.driver._on_tun()
        assert tun.read_at == []
        monkeypatch.setattr(busy, "is_backed_up", False)
        one.driver._on_transport(busy)
        one.driver._on_tun()
        assert len(tun.read_at) == 1
        stop(one, other)

    asyncio.run(run())


def test_a_pause_that_was_long_enough_is_told_to_the_transport(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        hub, loop = MemoryHub(), asyncio.get_running_loop()
        busy = hub.open("aa", scheme="busy")
        one = Host([busy, hub.open("a")], Endpoint("memory", "b", 9651), loop, WatchedTun())
        told = asyncio.Event()
        monkeypatch.setattr(busy, "is_backed_up", True)
        monkeypatch.setattr(busy, "stop_waiting", told.set)
        one.node.outbox.transmits.append((Endpoint("busy", "b", 1), [b"x"], 1, True, 0))
        one.driver.act(lambda now: None)
        await asyncio.wait_for(told.wait(), PATIENCE_S)
        stop(one)

    asyncio.run(run())


def test_what_could_not_be_sent_is_why_a_dial_fails() -> None:
    async def run() -> None:
        hub, loop = MemoryHub(), asyncio.get_running_loop()
        transport = hub.open("a")
        one = Host([transport], Endpoint("memory", "b", 9651), loop)
        told: list[tuple[Endpoint, str]] = []
        one.node.undelivered = lambda endpoint, cause, *, now: told.append((endpoint, cause))  # type: ignore[method-assign]
        there = Endpoint("memory", "b", 9651)
        transport.unreachable[there] = "nothing listens there"
        one.driver.act(lambda now: None)
        assert told == [(there, "nothing listens there")]
        stop(one)

    asyncio.run(run())


def test_a_timer_that_fails_once_fires_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        one, other = await linked_pair()
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context["exception"]))
        monkeypatch.setattr(driver, "RETRY_S", 0.01)
        handle_timeout, handled = one.node.handle_timeout, asyncio.Event()

        def fail_once(*, now: float) -> None:
            if not failures:
                raise ArithmeticError("a fault of this program")
            handle_timeout(now=now)
            handled.set()

        monkeypatch.setattr(one.node, "handle_timeout", fail_once)
        await asyncio.wait_for(handled.wait(), 30)
        stop(one, other)

    failures: list[Exception] = []
    asyncio.run(run())
    assert [str(failure) for failure in failures] == ["a fault of this program"]


def test_the_timer_waits_for_a_long_backlog_to_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        one, other = await linked_pair()
        backlog = iter([0.3] * (3 * READS_PER_WAKE) + [0.001] * READS_PER_WAKE)
        read: list[float] = []

        def receive() -> Received:
            return memoryview(bytearray(64)), 64, Endpoint("memory", "b", 9651)

        def waited_s() -> float:
            read.append(next(backlog))
            return read[-1]

        [transport] = one.transports.transports
        monkeypatch.setattr(transport, "receive", receive)
        monkeypatch.setattr(transport, "waited_s", waited_s)
        one.driver._on_transport(transport)
        monkeypatch.setattr(one.node, "next_deadline", lambda: 0.0)
        monkeypatch.setattr(one.node, "handle_timeout", lambda *, now: read.append(-1.0))
        one.driver._on_timer()
        assert read == [0.3] * (3 * READS_PER_WAKE) + [0.001] * READS_PER_WAKE + [-1.0]
        stop(one, other)

    asyncio.run(run())


def test_where_there_are_many_links_the_timer_waits_for_what_each_may_have_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        one, other = await linked_pair()
        reads, take_s = 0, 0.0

        def receive() -> Received:
            nonlocal reads
            reads += 1
            return memoryview(bytearray(64)), 64, Endpoint("memory", "b", 9651)

        [transport] = one.transports.transports
        monkeypatch.setattr(transport, "receive", receive)
        monkeypatch.setattr(transport, "waited_s", lambda: 0.3)
        one.driver._on_transport(transport)
        monkeypatch.setattr(one.node, "links", dict.fromkeys(range(LINKS)))
        monkeypatch.setattr(one.node, "next_deadline", lambda: 0.0)
        read_before: list[int] = []
        monkeypatch.setattr(one.node, "handle_timeout", lambda *, now: read_before.append(reads))
        begin = monotonic()
        monkeypatch.setattr(driver, "monotonic", lambda: begin + reads * take_s)
        reads = 0
        one.driver._on_timer()
        reads, take_s = 0, CATCH_UP_S / 32
        one.driver._on_timer()
        least = ROUNDS_TO_CATCH_UP * READS_PER_WAKE
        assert read_before == [least + DATAGRAMS_OF_LINK * LINKS, least]  # no more if each takes long
        monkeypatch.undo()
        stop(one, other)

    asyncio.run(run())


def test_a_late_timer_tells_the_node_no_time_before_that_of_what_is_read_first(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        one, other = await linked_pair()
        [transport] = one.transports.transports
        junk = memoryview(bytearray(64)), 64, Endpoint("memory", "b", 9651)
        monkeypatch.setattr(transport, "receive", lambda: junk)
        monkeypatch.setattr(transport, "waited_s", lambda: 0.3)
        one.driver._on_transport(transport)
        times: list[float] = []
        monkeypatch.setattr(one.driver, "_receive", lambda *_, now, waited_s: times.append(now))
        monkeypatch.setattr(one.node, "next_deadline", lambda: 0.0)
        monkeypatch.setattr(one.node, "handle_timeout", lambda *, now: times.append(now))
        one.driver._on_timer()
        assert len(times) == ROUNDS_TO_CATCH_UP * READS_PER_WAKE + 1
        assert times == sorted(times)
        monkeypatch.undo()
        stop(one, other)

    asyncio.run(run())


def test_a_timer_that_took_long_makes_the_next_one_no_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        one, other = await linked_pair()
        time = begin = monotonic()
        delays: list[float] = []

        def handle_timeout(*, now: float) -> None:
            nonlocal time
            time += 5.0

        monkeypatch.setattr(driver, "monotonic", lambda: time)
        monkeypatch.setattr(one.node, "handle_timeout", handle_timeout)
        monkeypatch.setattr(one.node, "next_deadline", lambda: begin if time == begin else begin + 6.0)
        monkeypatch.setattr(one.driver._loop, "call_later", lambda delay, _: delays.append(delay))
        one.driver._armed_for = begin
        one.driver._on_timer()
        assert delays == [pytest.approx(1.0)]
        monkeypatch.undo()
        stop(one, other)

    asyncio.run(run())


def test_the_backlog_of_one_transport_is_not_hidden_by_an_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        hub, loop = MemoryHub(), asyncio.get_running_loop()
        busy, empty = hub.open("a"), hub.open("aa")
        one = Host([busy, empty], Endpoint("memory", "b", 9651), loop)
        other = Host([hub.open("b")], Endpoint("memory", "a", 9651), loop)
        await link(one, other)
        order: list[str] = []

        def receive() -> Received:
            order.append("datagram")
            return memoryview(bytearray(64)), 64, Endpoint("memory", "b", 9651)

        monkeypatch.setattr(busy, "waited_s", lambda: 0.3 if len(order) <= READS_PER_WAKE else 0.0)
        monkeypatch.setattr(busy, "receive", receive)
        one.driver._on_transport(busy)
        one.driver._on_transport(empty)
        monkeypatch.setattr(one.node, "next_deadline", lambda: 0.0)
        monkeypatch.setattr(one.node, "handle_timeout", lambda *, now: order.append("timer"))
        monkeypatch.setattr(empty, "receive", lambda: order.append("empty"))
        one.driver._on_timer()
        assert order == ["datagram"] * 2 * READS_PER_WAKE + ["timer"]
        one.driver._armed_for = monotonic() - PATIENCE_S
        monkeypatch.setattr(busy, "receive", lambda: None)
        one.driver._on_timer()
        assert order[-2:] == ["empty", "timer"], "the timer was late: whatever came may have waited"
        stop(one, other)

    asyncio.run(run())


def test_a_wait_ends_before_the_time_that_the_node_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        one, other = await linked_pair()
        [transport] = one.transports.transports
        waited_until: list[float] = []
        told: list[float] = []

        def waited_s() -> float:
            begun = monotonic()
            while (now := monotonic()) == begun:  # the processor was lent to another process meanwhile
                pass
            waited_until.append(now)
            return 0.3

        monkeypatch.setattr(transport, "receive", iter([(memoryview(bytes(64)), 64, one.peer), None]).__next__)
        monkeypatch.setattr(transport, "waited_s", waited_s)
        monkeypatch.setattr(one.driver, "_receive", lambda *_, now, waited_s: told.append(now))
        one.driver._on_transport(transport)
        assert told[0] >= waited_until[0]
        stop(one, other)

    asyncio.run(run())


def test_what_a_transport_holds_is_read_though_its_descriptor_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        one, other = await linked_pair()
        [transport] = one.transports.transports
        held = [b"x" * 64] * (2 * READS_PER_WAKE + 1)

        def receive() -> Received | None:
            return (memoryview(held.pop()), 64, Endpoint("memory", "b", 9651)) if held else None

        monkeypatch.setattr(transport, "receive", receive)
        monkeypatch.setattr(transport, "holds_more", lambda: bool(held))
        one.driver._loop.remove_reader(transport.fileno())
        monkeypatch.setattr(one.driver, "_handle_timeout", lambda late_s, *, now: None)  # which may read too
        one.driver._on_transport(transport)
        assert len(held) == READS_PER_WAKE + 1
        await until(lambda: not held)
        stop(one, other)

    asyncio.run(run())


def test_what_is_moved_to_the_socket_for_links_is_read_though_nothing_else_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        transports, steering = open_udp("127.0.0.1", 0, underlay=Underlay())
        assert steering is not None
        host = Host(transports, Endpoint("memory", "b", 9651), asyncio.get_running_loop())
        taken: list[bytes] = []
        monkeypatch.setattr(host.driver, "_receive", lambda *received, **_: taken.append(bytes(received[1])))
        host.driver.start()
        frame = FRAME_HEAD.pack(FRAME_WORD, 7, 1) + bytes(50)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(frame, ("127.0.0.1", transports[0].local_endpoints[0].port))
        steering.expect([7])
        assert transports[0].holds_more()
        await until(lambda: taken == [frame])
        stop(host)

    asyncio.run(run())


def test_a_drained_transport_is_not_asked_again_but_by_the_next_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        one, other = await linked_pair()
        [transport] = one.transports.transports
        order: list[str] = []
        waiting: list[Received | None] = [(memoryview(bytes(64)), 64, one.peer)] * 3
        monkeypatch.setattr(transport, "receive", lambda: waiting.pop() if waiting else None)
        monkeypatch.setattr(transport, "is_drained", True)
        monkeypatch.setattr(one.driver, "_receive", lambda *_, now, waited_s: order.append("datagram"))
        monkeypatch.setattr(one.node, "next_deadline", lambda: 0.0)
        monkeypatch.setattr(one.node, "handle_timeout", lambda *, now: order.append("timer"))
        one.driver._on_transport(transport)
        assert order == ["datagram"]
        one.driver._armed_for = monotonic() + PATIENCE_S
        one.driver._on_timer()
        assert order == ["datagram"] * 3 + ["timer"]
        one.driver._on_timer()
        assert order[4:] == ["timer"]
        stop(one, other)

    asyncio.run(run())


@pytest.mark.parametrize("late_s", [-PATIENCE_S, 0.3], ids=["early", "late"])
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
        monkeypatch.setattr(one.driver, "_receive", on_receive)
        monkeypatch.setattr(one.node, "next_deadline", lambda: 0.0)
        monkeypatch.setattr(one.node, "handle_timeout", on_timeout)
        one.driver._armed_for = monotonic() - late_s
        one.driver._on_timer()
        assert list(dict.fromkeys(order)) == (["datagram", "timer"] if late_s > 0 else ["timer"])
        stop(one, other)

    asyncio.run(run())
