"""Knocks as the operator sees them: a datagram leaves from a new port, and what did not arrive is asked for again."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from mycelium.admin.diagnosis import KnockInfo
from mycelium.daemon.knocking import ROUND_S, ROUNDS, knock, knocked_by
from mycelium.endpoint import Endpoint
from mycelium.identity import address_text
from mycelium.outbox import KnockDue
from mycelium.transport.underlay import Underlay
from sim.net.network import PORT, VirtualHost
from sim.net.node_net import NodeNet
from tests.lab.waiting import PATIENCE_S
from tests.support.virtual_loop import VirtualLoop


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_each_knock_comes_from_another_port(host: str) -> None:
    underlay = Underlay()
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.settimeout(PATIENCE_S)
        end.bind((host, 0))
        sources = []
        for _ in range(2):
            knock(KnockDue(Endpoint("udp", host, end.getsockname()[1]), b"knock"), underlay)
            data, source = end.recvfrom(100)
            assert data == b"knock"
            sources.append(source[0])
        assert sources == [host, host]
    underlay.close()


def test_a_knock_that_cannot_be_sent_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", _no_socket)
    knock(KnockDue(Endpoint("udp", "192.0.2.1", 9651), b"knock"), Underlay())


def _no_socket(*_: object) -> socket.socket:
    raise OSError(24, "Too many open files")


HERE, NEIGHBOUR = "5.0.0.1", "5.1.0.1"


def linked() -> NodeNet:
    """Returns a node and its neighbour, which sees where others could dial it."""
    net = NodeNet()
    for number, name in enumerate([HERE, NEIGHBOUR]):
        net.add(name, seed=number)
    net.connect(HERE, NEIGHBOUR, 0.005)
    net.add_peer(HERE, f"udp://{NEIGHBOUR}:{PORT}")
    net.run(1)
    return net


def ask(net: NodeNet, name: str) -> tuple[list[KnockInfo], float]:
    """Asks from a host while the time of the network passes; returns the answer and how long it took."""
    host, begin = net.hosts[name], net.now

    def act(action: Callable[[float], None]) -> None:
        action(net.now)
        net.drain(name)

    async def run() -> list[KnockInfo]:
        asking = asyncio.ensure_future(knocked_by(host.node.knocks, act, bytes.hex))
        while not asking.done():
            net.run(0.005)
            await asyncio.sleep(0)
        return await asking

    loop = VirtualLoop(net)
    try:
        return loop.run_until_complete(run()), net.now - begin
    finally:
        loop.close()


def test_a_knock_that_arrives_is_told_at_once() -> None:
    net = linked()
    told, took_s = ask(net, HERE)
    node = net.hosts[NEIGHBOUR].address
    assert told == [KnockInfo(node=address_text(node), name=node.hex(), ip_version=4, arrived=True)]
    assert took_s < ROUND_S


@pytest.mark.parametrize("lost", [1, ROUNDS])
def test_one_that_is_lost_is_asked_for_again(lost: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    send = VirtualHost.knock

    def lossy(host: VirtualHost, due: KnockDue) -> None:
        sent.append(due)
        if len(sent) > lost:
            send(host, due)

    monkeypatch.setattr(VirtualHost, "knock", lossy)
    told, _ = ask(linked(), HERE)
    assert [one.arrived for one in told] == [lost < ROUNDS]
    assert len(sent) == ROUNDS


def test_a_node_without_neighbours_asks_nobody() -> None:
    net = NodeNet()
    net.add("a", seed=1)
    assert ask(net, "a")[0] == []
