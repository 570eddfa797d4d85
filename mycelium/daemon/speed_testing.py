"""Speed tests for the operator: what gets through to another node and back, and what that does to the round trip."""

import asyncio
from collections.abc import AsyncGenerator
from ipaddress import IPv6Address
from statistics import median
from typing import Final

from msgspec.structs import replace

from mycelium.admin.speed import DirectionInfo, SpeedInfo, SpeedPhase
from mycelium.daemon.peers import Act
from mycelium.daemon.probing import Asked, Probing
from mycelium.daemon.way_infos import way_info
from mycelium.dataplane.speed_tests import SpeedStage, SpeedTest
from mycelium.errors import LocalError
from mycelium.node.node import Node
from mycelium.wire.speed import Arrivals, SpeedReason

LOOK_S: Final = 0.1  # between looks at a test
TELL_S: Final = 0.2  # between lines for the operator
PING_S: Final = 5.0  # for the first answer, which may take a session
LOADED_PING_S: Final = 2.0  # for an answer beside the load, at most
BEGINNING: Final = 0.2  # share of a direction's time that does not count: the load has yet to find what the way carries

_PHASES: Final = {
    SpeedStage.ASKING_TO_SEND: SpeedPhase.ASKING,
    SpeedStage.SENDING: SpeedPhase.SENDING,
    SpeedStage.LAST_SENT: SpeedPhase.SENDING,
    SpeedStage.ASKING_TO_RECEIVE: SpeedPhase.RECEIVING,
    SpeedStage.RECEIVING: SpeedPhase.RECEIVING,
    SpeedStage.OVER: SpeedPhase.RECEIVING,
}
_REFUSALS: Final = {
    SpeedReason.BUSY: "it has another speed test under way: try again when that is over",
    SpeedReason.EXHAUSTED: "it has sent as much in answer to speed tests as it may for now: try again in some hours",
    SpeedReason.OFF: "it answers no speed tests (no_speed_tests is set there)",
}


class SpeedTesting:
    """Runs the speed tests of one node. `act` calls the node and carries out what it wants done."""

    def __init__(self, node: Node, act: Act, probing: Probing) -> None:
        self._node = node
        self._act = act
        self._probing = probing

    async def run(self, node: bytes, seconds: float) -> AsyncGenerator[SpeedInfo, None]:
        """Measures against another node, and tells how it goes until it is over; ends the test when it is closed."""
        pinged = await self._probing.ping(node, wait_s=PING_S)
        node = IPv6Address(pinged.node).packed
        info = SpeedInfo(
            node=pinged.node, name=pinged.name, next_hop=pinged.next_hop, direct=pinged.direct, seconds=seconds
        )
        if pinged.error is not None:
            yield replace(info, phase=SpeedPhase.OVER, error=pinged.error)
            return
        traced = await self._probing.trace(node)
        info = replace(info, hops=traced.hops, rtt_ms=traced.hops[-1].least_ms if traced.reached else pinged.rtt_ms)
        yield info
        tests: list[SpeedTest] = []
        speed_tests = self._node.speed_tests
        try:
            self._act(lambda now: tests.append(speed_tests.begin(node, seconds=seconds, now=now)))
        except LocalError as refused:
            yield replace(info, phase=SpeedPhase.OVER, error=str(refused), refused=True)
            return
        try:
            async for told in self._follow(tests[0], info):
                yield told
        finally:
            self._act(lambda now: speed_tests.end(tests[0], now=now))

    async def _follow(self, test: SpeedTest, info: SpeedInfo) -> AsyncGenerator[SpeedInfo, None]:
        time = asyncio.get_running_loop().time
        sent, received, pings, told_at = _Samples(), _Samples(), _Pings(self._probing, test.peer), 0.0
        try:
            while not test.is_over:
                await asyncio.sleep(LOOK_S)
                _look(test, sent, received)
                loaded = {SpeedStage.SENDING: sent, SpeedStage.RECEIVING: received}.get(test.phase)
                if loaded is not None:
                    pings.look(loaded.rtts_ms, now=time())
                info = replace(info, phase=_PHASES[test.phase], sent=sent.info(), received=received.info())
                if time() >= told_at + TELL_S and not test.is_over:
                    told_at = time()
                    yield info
        finally:
            pings.end()
        has_changed = way_info(self._node, test.peer).next_hop != info.next_hop
        yield replace(info, phase=SpeedPhase.OVER, way_changed=has_changed, **_outcome(test))


class _Pings:
    """One ping after the other, beside the load."""

    def __init__(self, probing: Probing, node: bytes) -> None:
        self._probing = probing
        self._node = node
        self._asked: Asked | None = None
        self._asked_at = 0.0

    def look(self, rtts_ms: list[float], *, now: float) -> None:
        """Takes the answer to the last one, if it is there, and sends the next one after it, or after LOADED_PING_S."""
        asked = self._asked
        if asked is not None and asked.answer.done() and asked.answer.result().error is None:
            rtts_ms.append(round(1_000 * asked.answer.result().rtt_s, 3))
        if asked is None or asked.answer.done() or now >= self._asked_at + LOADED_PING_S:
            self.end()
            self._asked, self._asked_at = self._probing.ask(self._node), now

    def end(self) -> None:
        """Waits for no answer any more."""
        if self._asked is not None:
            self._probing.forget(self._asked)


class _Samples:
    """What had arrived of one direction's load, at each look, and the round trips beside it."""

    def __init__(self) -> None:
        self.seen: list[Arrivals] = []
        self.rtts_ms: list[float] = []

    def note(self, arrived: Arrivals) -> None:
        if arrived.trains and (not self.seen or arrived.trains > self.seen[-1].trains):
            self.seen.append(arrived)

    def info(self) -> DirectionInfo | None:
        """Returns the rate after the beginning, and what else there is to tell; None while nothing has arrived."""
        if not self.seen:
            return None
        last = self.seen[-1]
        first = next((one for one in self.seen if one.elapsed_s >= BEGINNING * last.elapsed_s), last)
        span_s = last.elapsed_s - first.elapsed_s
        count, span_s = (last.bytes - first.bytes, span_s) if span_s else (last.bytes, last.elapsed_s)
        return DirectionInfo(
            bits_per_s=round(8 * count / span_s) if span_s else None,
            bytes=last.bytes,
            seconds=round(last.elapsed_s, 3),
            loss=round(max(1 - last.trains / (last.newest + 1), 0.0), 4),
            rtt_ms=median(self.rtts_ms) if self.rtts_ms else None,
        )


def _look(test: SpeedTest, sent: _Samples, received: _Samples) -> None:
    if test.sent is not None:
        sent.note(test.sent.arrived)
    received.note(test.received.arrived)


def _outcome(test: SpeedTest) -> dict[str, object]:
    """Returns what ended a test early, as fields of a `SpeedInfo`."""
    arrived = test.received.arrived
    if test.reason is SpeedReason.EXHAUSTED and arrived.trains:
        return {"ended_early": True}  # it has sent back all that it was sent
    if test.reason is not SpeedReason.NONE:
        return {"error": _REFUSALS[test.reason], "refused": True}
    if not test.is_agreed:
        return {"error": "it did not answer the request for a speed test: its version may be too old for one"}
    return {} if arrived.trains else {"error": "no load came back from it: the way is interrupted, or it has left"}
