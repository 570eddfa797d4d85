"""What the operator is shown of a running node: its peers, one row each whatever has become of their links, routes, keys."""

import asyncio
from collections.abc import Iterator

import pytest

from mycelium.admin.control import PeerInfo
from mycelium.daemon.live_control import LiveControl
from mycelium.daemon.peers import Peers
from mycelium.transport.set import TransportSet
from sim.net.network import url_of
from sim.net.node_net import NodeNet
from tests.support.small_meshes import is_up, ping, ready_pair


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def control_of(net: NodeNet, name: str, loop: asyncio.AbstractEventLoop) -> LiveControl:
    node = net.hosts[name].node
    return LiveControl(node, TransportSet([]), None, Peers(node, lambda action: action(net.now), lambda endpoint: None))


def peers_of(net: NodeNet, name: str, loop: asyncio.AbstractEventLoop) -> list[PeerInfo]:
    return control_of(net, name, loop).peers()


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


def test_the_key_of_an_address_is_hex_and_unknown_or_malformed_addresses_have_none(
    loop: asyncio.AbstractEventLoop,
) -> None:
    net = ready_pair()
    control, b = control_of(net, "a", loop), net.hosts["b"].node.identity
    assert control.public_key_of(net.hosts["b"].address_text) == b.exchange_public_key.hex()
    assert control.public_key_of("500::1") is None
    assert control.public_key_of("not an address") is None


def test_the_status_counts_live_peers_routes_and_sessions(loop: asyncio.AbstractEventLoop) -> None:
    net = ready_pair()
    net.add_peer("a", url_of("nobody"))
    status = control_of(net, "a", loop).status()
    assert (status.peers_alive, status.peers_total, status.routes, status.sessions) == (1, 2, 1, 1)
    assert (status.tun, status.listening) == (None, [])
    assert status.counters["packets_sent"] == 1
    net.cut("a", "b")
    net.run(10)
    status = control_of(net, "a", loop).status()
    assert (status.peers_alive, status.routes) == (0, 0)


def test_the_status_counts_as_alive_what_the_list_of_peers_calls_alive(loop: asyncio.AbstractEventLoop) -> None:
    net = ready_pair()
    net.add_peer("a", f"{url_of('b')}#{net.hosts['b'].node.identity.exchange_public_key.hex()}")
    net.run(5)
    states = [peer.connection_state for peer in peers_of(net, "a", loop)]
    status = control_of(net, "a", loop).status()
    assert states == ["alive", "alive"], "two entries lead to one neighbour"
    assert (status.peers_alive, status.peers_total) == (2, 2)


def test_a_session_without_keys_is_not_counted(loop: asyncio.AbstractEventLoop) -> None:
    net = NodeNet()
    for name in "ab":
        net.add(name)
    net.join("a", "b")
    net.run(5)
    ping(net, "a", "b")
    assert control_of(net, "a", loop).status().sessions == 0


def test_routes_are_shown_as_subnets_with_their_next_hop(loop: asyncio.AbstractEventLoop) -> None:
    net = ready_pair()
    control = control_of(net, "a", loop)
    [route] = control.routes_selected()
    assert route.next_hop == net.hosts["b"].address_text
    assert route.subnet.endswith("::/64")
    assert control.routes_fallback() == []


def test_whoever_waits_for_an_event_is_woken_by_the_next_one_only(loop: asyncio.AbstractEventLoop) -> None:
    control = control_of(ready_pair(), "a", loop)
    first = control.next_event()
    control.journal_grew()
    assert first.is_set()
    assert not control.next_event().is_set()


def test_each_metric_has_its_kind_its_meaning_and_the_value_that_the_status_has(
    loop: asyncio.AbstractEventLoop,
) -> None:
    control = control_of(ready_pair(), "a", loop)
    metrics = {metric.name: metric for metric in control.metrics()}
    assert metrics["packets_sent"].kind == "counter"
    assert metrics["routing_destinations"].kind == "gauge"
    counters = control.status().counters
    assert metrics["routing_destinations"].value == counters["routing_destinations"] == 2
    assert metrics.keys() <= counters.keys()
