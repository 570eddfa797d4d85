"""Speed tests across a virtual network: what the operator is told while they go on, and of what keeps one from it."""

import asyncio
from collections.abc import Callable

import pytest

from mycelium.admin.speed import SpeedInfo, SpeedPhase
from mycelium.daemon import probing, speed_testing
from mycelium.daemon.probing import Probing
from mycelium.daemon.speed_testing import SpeedTesting
from mycelium.dataplane.speed_tests import SpeedStage
from sim.net.node_net import NodeNet
from tests.support.small_meshes import ready_line
from tests.support.virtual_loop import VirtualLoop

RATE = 1_000_000.0  # bytes a second


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "TRACE_WAIT_S", 0.2)
    monkeypatch.setattr(speed_testing, "PING_S", 0.5)


def slow(names: str = "abc") -> NodeNet:
    net = ready_line(names)
    for wire in net.both(names[-2], names[-1]):
        wire.reshape(bytes_per_s=RATE, queue_bytes=1 << 20)
    return net


def measure(
    net: NodeNet, *, seconds: float = 1.0, told: Callable[[SpeedInfo], bool] = lambda one: True
) -> list[SpeedInfo]:
    """Measures from the first host to the last; `told` is handed each line, and ends the test by False."""
    source, there = min(net.hosts), net.hosts[max(net.hosts)].address
    host = net.hosts[source]
    lines: list[SpeedInfo] = []

    def act(action: Callable[[float], None]) -> None:
        action(net.now)
        net.drain(source)

    async def follow(testing: SpeedTesting) -> None:
        running = testing.run(there, seconds)
        async for one in running:
            lines.append(one)
            if not told(one):
                break
        await running.aclose()

    async def run() -> None:
        probing_ = Probing(host.node, act, lambda node: "far" if node == there else None)
        asking = asyncio.ensure_future(follow(SpeedTesting(host.node, act, probing_)))
        while not asking.done():
            net.run(0.01)
            for answer in host.echoes:
                probing_.answered(answer)
            host.echoes.clear()
            await asyncio.sleep(0)
        await asking

    loop = VirtualLoop(net)
    try:
        loop.run_until_complete(run())
    finally:
        loop.close()
    return lines


def test_rate_loss_and_round_trips_of_both_directions_are_told_and_the_way() -> None:
    *before, last = measure(slow())
    assert (last.phase, last.error, last.refused, last.name) == (SpeedPhase.OVER, None, False, "far")
    assert [hop.name for hop in last.hops] == [None, "far"]
    assert (last.direct, last.way_changed) == (False, False)
    assert last.rtt_ms == pytest.approx(20, abs=5)
    for way in (last.sent, last.received):
        assert way is not None
        assert way.bits_per_s is not None
        assert 0.8 * 8 * RATE < way.bits_per_s < 8 * RATE
        assert way.loss == 0.0
        assert way.rtt_ms is not None
        assert 25 < way.rtt_ms < 200, "what waits beside it is seen"
    phases = [one.phase for one in before]
    assert phases == sorted(phases, key=[SpeedPhase.ASKING, SpeedPhase.SENDING, SpeedPhase.RECEIVING].index)
    assert len(phases) > 8
    assert before[0].sent is None


def test_a_node_that_does_not_answer_at_all_is_told_apart_from_one_that_does_not_take_part() -> None:
    net = slow()
    net.cut("b", "c")
    [last] = measure(net)
    assert (last.phase, last.refused) == (SpeedPhase.OVER, False)
    assert last.error == "it did not answer the request for a session within 0.5 s"
    net = slow()
    net.hosts["c"].node.speed_tests._answers = False
    last = measure(net)[-1]
    assert last.refused
    assert last.error == "it answers no speed tests (no_speed_tests is set there)"
    net = slow()
    net.hosts["c"].node.receiving.item_handlers.pop(0x40)
    last = measure(net)[-1]
    assert not last.refused
    assert "its version may be too old" in str(last.error)


def test_a_second_test_at_this_node_is_refused() -> None:
    net = slow()
    net.hosts["a"].node.speed_tests.begin(net.hosts["b"].address, seconds=9.0, now=net.now)
    last = measure(net)[-1]
    assert last.refused
    assert "another speed test is under way at this node" in str(last.error)


def test_a_cut_while_it_goes_on_leaves_what_was_measured() -> None:
    net = slow()

    def told(one: SpeedInfo) -> bool:
        if one.phase is SpeedPhase.SENDING and one.sent is not None:
            net.cut("b", "c")
        return True

    last = measure(net, seconds=0.5, told=told)[-1]
    assert last.sent is not None
    assert (last.received, last.error) == (None, "no load came back from it: the way is interrupted, or it has left")


def test_it_ends_with_who_listens() -> None:
    net = slow()
    measure(net, seconds=20.0, told=lambda one: one.phase is not SpeedPhase.SENDING)
    test = net.hosts["a"].node.speed_tests.own
    assert test is not None
    assert test.phase is SpeedStage.OVER
    net.run(1)
    assert net.hosts["c"].node.speed_tests._answered is None
