"""Captures of a real driver over an in-memory network: what passes is in the file, with its keys, and nobody hears it later."""

import asyncio
import socket

import pytest

from mycelium.capture.dissector import Dissector
from mycelium.capture.keys import read_keys
from mycelium.capture.parts import DatagramPart
from mycelium.capture.pcapng import CapturedDatagram, CapturedKeys, CaptureDrops, CaptureReader
from mycelium.capture.ring import CaptureRing
from mycelium.daemon import capturing
from mycelium.daemon.capturing import Capturing
from mycelium.endpoint import Endpoint
from mycelium.errors import LocalError
from mycelium.limits import CAPTURE_BYTES
from sim.net.node_net import NodeNet
from tests.capture.support import all_parts
from tests.daemon.test_driver import linked_pair, stop
from tests.lab.waiting import PATIENCE_S
from tests.support.small_meshes import ready_line
from tests.support.virtual_loop import VirtualLoop


class Taps:
    """Who is to hear what passes."""

    def __init__(self) -> None:
        self.ring: CaptureRing | None = None

    def __call__(self, ring: CaptureRing | None) -> None:
        self.ring = ring


def test_what_a_driver_sends_and_receives_is_captured_and_opened() -> None:
    async def run() -> None:
        one, other = await linked_pair()
        capture = Capturing(one.node, one.driver.tap).open()
        reader, dissector, seen = CaptureReader(), Dissector(), dict[tuple[bool, str], DatagramPart]()
        wanted = {(True, "probe"), (False, "probe")}
        async with asyncio.timeout(PATIENCE_S):
            probe = one.node.network_changed
            async for piece in capture:
                for found in reader.feed(piece):
                    if isinstance(found, CapturedKeys):
                        dissector.learn(read_keys(found.lines))
                    if isinstance(found, CapturedDatagram):
                        part = dissector.take(found.data, is_sent=found.is_sent)
                        seen |= {(found.is_sent, each.title): each for each in all_parts([part])}
                if wanted <= seen.keys():
                    break
                one.driver.act(lambda now: probe(now=now))
        await capture.aclose()
        assert one.driver._receive == one.node.receive, "nothing is spent on it any more"
        assert one.driver._send == one.transports.send
        stop(one, other)

    asyncio.run(run())


def test_one_capture_at_a_time_and_another_one_later() -> None:
    async def run() -> None:
        taps, net = Taps(), ready_line("ab")
        captures = Capturing(net.hosts["a"].node, taps)
        first, second = captures.open(), captures.open()
        await anext(first)
        with pytest.raises(LocalError, match="another capture is under way"):
            captures.open()
        assert [part async for part in second] == [], "it was asked for just before the first one began"
        assert taps.ring is not None
        await first.aclose()
        assert taps.ring is None
        await anext(captures.open())

    asyncio.run(run())


def test_drops_are_told_and_an_idle_reader_gets_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    net = ready_line("ab")
    now = [1_795_000_000.0]
    monkeypatch.setattr(capturing, "time", lambda: now[0])
    monkeypatch.setattr(capturing, "LOOK_S", 0.0)
    asyncio.run(_drops(net, now))


async def _drops(net: NodeNet, now: list[float]) -> None:
    taps, reader = Taps(), CaptureReader()
    capture = Capturing(net.hosts["a"].node, taps).open()
    for _ in range(2):
        list(reader.feed(await anext(capture)))  # the head, and keys
    assert taps.ring is not None
    endpoint = next(iter(net.hosts["a"].node.endpoints_in_use()))
    taps.ring.received(endpoint, memoryview(bytes(CAPTURE_BYTES + 1)), 1 << 20, at=now[0])
    assert list(reader.feed(await anext(capture))) == [CaptureDrops(9)]
    now[0] += capturing.SIGN_OF_LIFE_S + 1
    assert list(reader.feed(await anext(capture))) == [CaptureDrops(9)]
    taps.ring.received(endpoint, memoryview(bytes(3 * capturing.PART_BYTES)), 50_000, at=now[0])
    pieces = [await anext(capture) for _ in range(3)]
    link_local = Endpoint("udp", "fe80::1", 9651, socket.if_nametoindex("lo"))
    taps.ring.received(link_local, memoryview(b"datagram"), 8, at=now[0])
    *_, last = [found for piece in [*pieces, await anext(capture)] for found in reader.feed(piece)]
    assert isinstance(last, CapturedDatagram)
    assert last.endpoint == "udp://[fe80::1%lo]:9651"
    assert max(map(len, pieces)) < 1.5 * capturing.PART_BYTES
    await capture.aclose()


def test_keys_that_come_later_are_told_before_what_they_open() -> None:
    net = ready_line("abc")
    taps, reader = Taps(), CaptureReader()

    async def run() -> None:
        capture = Capturing(net.hosts["a"].node, taps).open()
        list(reader.feed(await anext(capture)))
        [before] = reader.feed(await anext(capture))
        assert isinstance(before, CapturedKeys)
        assert {key.of for key in read_keys(before.lines)} == {"link"}
        net.hosts["a"].node.echoes.ask(net.hosts["c"].address, now=net.now)
        net.drain("a")
        net.run(1)
        [later] = reader.feed(await anext(capture))
        assert isinstance(later, CapturedKeys)
        assert {key.of for key in read_keys(later.lines)} == {"session"}
        await capture.aclose()

    loop = VirtualLoop(net)
    try:
        waiting = loop.create_task(run())
        while not waiting.done():
            net.run(0.05)
            loop.run_until_complete(asyncio.sleep(0))
        waiting.result()
    finally:
        loop.close()
