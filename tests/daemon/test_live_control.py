"""What the operator is shown of the running node's peers: one row each, whatever has become of their links."""

import asyncio
from collections.abc import Iterator

import pytest

from mycelium.admin.control import PeerInfo
from mycelium.daemon.driver import Driver
from mycelium.daemon.live_control import LiveControl
from tests.support.node_net import NodeNet, url_of
from tests.support.small_meshes import is_up, ready_pair


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def peers_of(net: NodeNet, name: str, loop: asyncio.AbstractEventLoop) -> list[PeerInfo]:
    node = net.hosts[name].node
    driver = Driver(node, transports=[], tun=None, loop=loop, on_event=lambda event: None, on_journal=lambda: None)
    return LiveControl(node, driver, [], None, lambda url: None, lambda url: None).peers()


def test_a_dialled_peer_is_one_row_before_during_and_after_a_cut(loop: asyncio.AbstractEventLoop) -> None:
    net = ready_pair()
    states = []
    for seconds in (1.0, 4.0, 4.0, 70.0):
        [info] = peers_of(net, "a", loop)
        states.append((info.type, info.connection_state, info.address))
        assert info.url == url_of("b")
        net.cut("a", "b")
        net.run(seconds)
    address = net.hosts["b"].address_text
    assert states[0] == ("static", "alive", address)
    assert states[2][0] == "static"
    assert states[2][1] in ("connecting", "dead")
    assert states[2][2] == address
    net.mend("a", "b")
    net.run(20, until=lambda: is_up(net, "a", "b"))
    [info] = peers_of(net, "a", loop)
    assert (info.connection_state, info.address) == ("alive", address)


def test_who_dialled_us_and_is_gone_is_one_row(loop: asyncio.AbstractEventLoop) -> None:
    net = ready_pair()
    net.cut("a", "b")
    net.run(10)
    [info] = peers_of(net, "b", loop)
    assert (info.type, info.url) == ("inbound", None)
    assert info.connection_state != "alive"
