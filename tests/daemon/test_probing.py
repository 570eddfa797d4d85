"""Pings and traces across a virtual network: what is told of the way, and why there is no answer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from mycelium.admin.diagnosis import PingInfo, TraceInfo
from mycelium.daemon import probing
from mycelium.daemon.probing import Probing
from sim.net.node_net import NodeNet
from tests.support.small_meshes import ready_line, square
from tests.support.virtual_loop import VirtualLoop

_Found = TypeVar("_Found")
PATIENCE_S = 0.5  # of virtual time


def probe(net: NodeNet, source: str, question: Callable[[Probing], Awaitable[_Found]]) -> _Found:
    """Asks from a host while the time of the network passes."""
    host = net.hosts[source]

    def act(action: Callable[[float], None]) -> None:
        action(net.now)
        net.drain(source)

    async def run() -> _Found:
        probing_ = Probing(host.node, act, lambda node: "far" if node == net.hosts[max(net.hosts)].address else None)
        asking = asyncio.ensure_future(question(probing_))
        while not asking.done():
            net.run(0.005)
            for answer in host.echoes:
                probing_.answered(answer)
            host.echoes.clear()
            await asyncio.sleep(0)
        return await asking

    loop = VirtualLoop(net)
    try:
        return loop.run_until_complete(run())
    finally:
        loop.close()


def ping(net: NodeNet, source: str, destination: str) -> PingInfo:
    there = net.hosts[destination].address
    return probe(net, source, lambda probing_: probing_.ping(there, wait_s=PATIENCE_S))


def trace(net: NodeNet, source: str, destination: str) -> TraceInfo:
    there = net.hosts[destination].address
    return probe(net, source, lambda probing_: probing_.trace(there))


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "TRACE_WAIT_S", PATIENCE_S)


def text(net: NodeNet, name: str) -> str:
    return net.hosts[name].address_text


def test_a_ping_tells_the_round_trip_the_hops_and_over_whom() -> None:
    net = ready_line("abcd")
    found = ping(net, "a", "d")
    assert (found.node, found.hops, found.next_hop, found.direct, found.error) == (
        text(net, "d"),
        3,
        text(net, "b"),
        False,
        None,
    )
    assert found.rtt_ms == pytest.approx(30, abs=3)
    assert (found.name, found.next_hop_name) == ("far", None)
    assert ping(net, "a", "b").direct


def test_a_ping_without_an_answer_says_why() -> None:
    net = ready_line("abc")
    net.cut("b", "c")
    assert ping(net, "a", "c").error == f"it did not answer the request for a session within {PATIENCE_S:g} s"
    net = ready_line("abc")
    assert ping(net, "a", "c").error is None
    net.cut("b", "c")
    hops = dict(net.hosts["a"].node.routing.forwarding.next_hop)
    there = net.hosts["c"].address

    def lasting(probing_: Probing) -> Awaitable[PingInfo]:
        net.hosts["a"].node.routing.forwarding.next_hop.update(hops)
        net.hosts["b"].node.routing.forwarding.next_hop.pop(there, None)
        return probing_.ping(there, wait_s=PATIENCE_S)

    net.run(5)
    assert ping(net, "a", "c").error == "there is no route to it"
    assert probe(net, "a", lasting).error == f"{text(net, 'b')}, on the way, has no route to it"


def test_a_trace_names_each_node_on_the_way_with_its_round_trips() -> None:
    net = ready_line("abcd")
    found = trace(net, "a", "d")
    assert (found.reached, found.error) == (True, None)
    assert [hop.name for hop in found.hops] == [None, None, "far"]
    assert [(hop.hop, hop.node, hop.answered) for hop in found.hops] == [
        (number, text(net, name), 3) for number, name in enumerate("bcd", start=1)
    ]
    for number, hop in enumerate(found.hops, start=1):
        assert hop.least_ms == pytest.approx(10 * number, abs=3)
        assert hop.least_ms is not None
        assert hop.median_ms is not None
        assert hop.median_ms >= hop.least_ms


def test_a_trace_is_the_chain_of_next_hops() -> None:
    net = square()
    chain, at = [], "a"
    names = {host.address: name for name, host in net.hosts.items()}
    while at != "c":
        at = names[net.hosts[at].node.routing.forwarding.next_hop[net.hosts["c"].address]]
        chain.append(text(net, at))
    assert [hop.node for hop in trace(net, "a", "c").hops] == chain


def test_a_trace_to_a_node_that_does_not_answer_shows_how_far_it_is_known() -> None:
    net = ready_line("abcd")
    assert trace(net, "a", "d").reached
    net.hosts["d"].node.echoes.take = lambda *_, **__: None  # type: ignore[method-assign]
    net.hosts["d"].node.receiving.item_handlers.clear()
    found = trace(net, "a", "d")
    assert [hop.node for hop in found.hops] == [text(net, "b"), text(net, "c")]
    assert (found.reached, found.error) == (False, f"no answer within {2 * PATIENCE_S:g} s")


def test_a_trace_without_a_route_asks_nobody() -> None:
    net = ready_line("abc")
    net.cut("a", "b")
    net.run(5)
    found = trace(net, "a", "c")
    assert (found.reached, found.hops, found.error) == (False, [], "there is no route to it")
