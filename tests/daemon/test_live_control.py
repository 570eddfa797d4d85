"""What the operator is shown of a running node: its peers, one row each whatever has become of their links, routes, keys."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest
from msgspec import structs

from mycelium.admin.config import Settings
from mycelium.admin.control import PeerInfo, SocketInfo
from mycelium.counters import Histogram
from mycelium.daemon import live_control
from mycelium.daemon.leases import KernelLeases
from mycelium.daemon.live_control import LiveControl, _route
from mycelium.daemon.node_metrics import NodeMetrics
from mycelium.daemon.peer_lists import PeerLists
from mycelium.daemon.peers import Peers
from mycelium.daemon.port_mapper import node_port_mapper
from mycelium.daemon.sleep import slept_s
from mycelium.endpoint import Endpoint
from mycelium.errors import ConfigError, LocalError
from mycelium.link.link import LinkState
from mycelium.node.names import Names
from mycelium.node.snapshot import PeerOrigin, PeerSnapshot, PeerState
from mycelium.peer_list_url import PeerListUrl
from mycelium.peer_url import PeerUrl
from mycelium.routing.snapshot import RouteSnapshot
from mycelium.transport.set import TransportSet
from mycelium.transport.underlay import Underlay
from mycelium.wire.distance import INFINITY
from sim.net.network import url_of
from sim.net.node_net import NodeNet
from tests.support.named_nodes import NOBODY
from tests.support.small_meshes import is_up, ping, ready_pair


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def control_of(net: NodeNet, name: str, loop: asyncio.AbstractEventLoop) -> LiveControl:
    node = net.hosts[name].node

    def act(action: Callable[[float], None]) -> None:
        action(net.now)

    leases = KernelLeases(node.leasing, Underlay(), act=act, loop=loop)
    peers = Peers(node, act, lambda endpoint: None)
    lists = PeerLists(peers, lambda reading: no_task(reading))
    transports = TransportSet([])
    mapper = node_port_mapper(node, transports, Settings(key_file=Path("key")))
    keys = (act, Names(node.routing, is_private=True), Mock(), Mock(), Mock())
    others = (NodeMetrics(node, NOBODY, Histogram()), Mock(), Mock(), *keys)
    return LiveControl(node, transports, None, peers, leases, lists, mapper, *others)


def no_task(reading: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    reading.close()
    return Mock()


def peers_of(net: NodeNet, name: str, loop: asyncio.AbstractEventLoop) -> list[PeerInfo]:
    return control_of(net, name, loop).peers()


def test_peers_of_a_list_say_so_and_a_list_that_cannot_be_read_says_why(loop: asyncio.AbstractEventLoop) -> None:
    control = control_of(ready_pair(), "a", loop)
    url = PeerListUrl.parse("dns://mesh.example")
    control._lists.follow([PeerUrl.parse("udp://one:9651"), url])
    control._peers.replace_listed(url, [PeerUrl.parse("udp://other:9651")])
    control._lists.by_url[url].trouble = "no name server answers"
    by_url = {peer.url: peer for peer in control.peers()}
    assert by_url["udp://one:9651"].brought_by is None
    assert by_url["udp://other:9651"].brought_by == "dns://mesh.example"
    assert (by_url[str(url)].origin, by_url[str(url)].last_error) == ("list", "no name server answers")


def test_the_login_of_a_list_is_not_told(loop: asyncio.AbstractEventLoop) -> None:
    control = control_of(ready_pair(), "a", loop)
    url = PeerListUrl.parse("https://ann:secret@mesh.example/peers")
    control._lists.follow([url])
    control._peers.replace_listed(url, [PeerUrl.parse("udp://other:9651")])
    control._lists.by_url[url].trouble = "no name server answers"
    told = msgspec.json.encode(control.peers())
    assert (
        told.count(b"https://***@mesh.example/peers") == 3
    )  # of the peer that it brought, and of the list: URL and endpoint
    assert b"secret" not in told


def test_the_rust_implementation_knows_the_protocol_and_the_type_of_every_peer() -> None:
    def as_told(scheme: str) -> str:
        return live_control._endpoint(scheme, SocketInfo("192.0.2.1:7"), "a:7").proto

    schemes = {"udp": "quic", "quic": "quic", "tcp": "tcp", "tls": "tls", "wss": "tls", "dns": "tcp"}
    assert {scheme: as_told(scheme) for scheme in schemes} == schemes
    types = {live_control._type(origin) for origin in (*live_control._ORIGINS.values(), "list")}
    assert types == {"static", "inbound", "linkLocalDiscovery"}


def test_an_interface_is_one_by_name_and_by_index_and_must_be_there(loop: asyncio.AbstractEventLoop) -> None:
    control = control_of(ready_pair(), "a", loop)
    index = socket.if_nametoindex("lo")
    control.add_peer(f"udp://[fe80::1%{index}]:9651")
    assert "udp://[fe80::1%lo]:9651" in [peer.url for peer in control.peers()]
    with pytest.raises(LocalError, match="in the peer list already"):
        control.add_peer("udp://[fe80::1%lo]:9651")
    control.remove_peer(f"udp://[fe80::1%{index}]:9651")
    with pytest.raises(ConfigError, match="this host has no interface 'nosuch0'"):
        control.add_peer("udp://[fe80::1%nosuch0]:9651")


def test_why_a_link_local_peer_has_no_link_is_told_with_the_name_of_its_interface(
    loop: asyncio.AbstractEventLoop,
) -> None:
    net = ready_pair()
    url = "udp://[fe80::1%lo]:9651"
    failures = PeerSnapshot(
        origin=PeerOrigin.CONFIGURED,
        state=PeerState.DEAD,
        known_since=0.0,
        url=url,
        failures=(
            (None, "the name is not known"),
            (Endpoint("udp", "fe80::1", 9651, socket.if_nametoindex("lo")), "no answer"),
        ),
    )
    shown = live_control._peer(failures, net.hosts["a"].node.neighbours.duplicates, now=1.0)
    assert shown.last_error == f"the name is not known; {url}: no answer"


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


def test_the_round_trip_is_the_wires_and_none_while_the_link_is_down(loop: asyncio.AbstractEventLoop) -> None:
    [peer] = ready_pair().hosts["a"].node.snapshot(now=100.0).peers
    assert peer.link is not None
    path = structs.replace(peer.link.paths[0], rtt_s=0.0005, smoothed_rtt_s=0.041, measured_at=97.5)
    link = structs.replace(peer.link, paths=[path])
    shown = live_control._link_fields(link, now=100.0)
    assert (shown["rtt_ms"], shown["smoothed_rtt_ms"], shown["rtt_age_s"]) == (0.5, 41.0, 2.5)
    down = structs.replace(link, state=LinkState.DOWN)
    assert live_control._link_fields(down, now=100.0)["rtt_ms"] is None


def test_the_time_of_running_includes_that_of_sleeping(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = control_of(ready_pair(), "a", loop)
    before, asleep = control.status().uptime_s, slept_s()
    monkeypatch.setattr(live_control, "slept_s", lambda: asleep + 3_600.0)
    assert 3_600.0 <= control.status().uptime_s - before < 3_660.0


def test_who_dialled_us_and_is_gone_is_one_row(loop: asyncio.AbstractEventLoop) -> None:
    net = ready_pair()
    net.cut("a", "b")
    net.run(10)
    [info] = peers_of(net, "b", loop)
    assert (info.origin, info.url) == ("inbound", None)
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


def test_a_route_s_metric_is_in_whole_milliseconds_and_its_sequence_in_sixteen_bits_beside_the_exact_ones(
    loop: asyncio.AbstractEventLoop,
) -> None:
    control = control_of(ready_pair(), "a", loop)
    [route] = control.routes_selected()
    assert route.cost is not None
    assert route.metric == max(1, round(route.cost / 100))
    assert route.seqno == route.sequence % 65_536


@pytest.mark.parametrize(
    ("metric", "shown"),
    [(1, 1), (149, 1), (674, 7), (70_000, 700), (10_000_000, 65_534), (INFINITY, "infinite")],
)
def test_a_metric_is_one_millisecond_at_least_and_never_more_than_its_sixteen_bits(
    metric: int, shown: int | str
) -> None:
    route = _route(RouteSnapshot(bytes(16), bytes(16), metric, 0, 70_000, is_feasible=True, is_selected=True))
    assert (route.metric, route.seqno, route.sequence) == (shown, 70_000 - 65_536, 70_000)
    assert route.cost == (None if metric == INFINITY else metric)


def test_last_connected_is_the_age_of_the_newest_connection(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = ready_pair()
    monkeypatch.setattr(live_control, "monotonic", lambda: net.now)
    net.run(100)
    for name in "ab":  # the one that dials, and the one that was dialled
        [info] = peers_of(net, name, loop)
        assert info.last_connected is not None
        assert 100 <= info.last_connected < 110
        assert info.last_heard_s is not None
        assert info.last_heard_s < 10
    net.cut("a", "b")
    net.run(20)
    net.mend("a", "b")
    net.run(30, until=lambda: is_up(net, "a", "b"))
    net.run(3)
    for name in "ab":
        assert [info.last_connected for info in peers_of(net, name, loop)] == [3]


def test_a_peer_whose_name_has_no_address_yet_has_a_socket_that_any_client_can_read(
    loop: asyncio.AbstractEventLoop,
) -> None:
    net = NodeNet()
    net.add("a").node.peers.add("udp://host.example:7", None, now=net.now)
    [info] = peers_of(net, "a", loop)
    assert (info.endpoint.addr.socket, info.endpoint.socket_addr) == ("0.0.0.0:7", "host.example:7")
    peer = net.hosts["a"].node.peers.by_url["udp://host.example:7"]
    peer.resolved([Endpoint("udp", "fe80::1", 7, 1)], now=net.now)
    [info] = peers_of(net, "a", loop)
    assert (info.endpoint.addr.socket, info.endpoint.socket_addr) == ("[fe80::1%1]:7", "host.example:7")


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


def test_hosts_with_one_key_are_shown_by_both_and_by_their_neighbour(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = NodeNet()
    monkeypatch.setattr(live_control, "monotonic", lambda: net.now)
    net.add("a")
    net.add("old", seed=777, epoch=10)
    net.join("a", "old")
    net.run(15)
    net.add("new", seed=777, epoch=20)
    net.join("new", "a")
    net.run(5)
    old, new = (control_of(net, name, loop).status() for name in ("old", "new"))
    assert old.key_shared is not None
    assert new.key_shared is not None
    assert "has closed its links" in old.key_shared
    assert "keeps the address" in new.key_shared
    shown = [peer for peer in peers_of(net, "a", loop) if peer.connection_state == "alive"]
    assert {peer.key_shared is not None for peer in shown} == {True}
    assert control_of(net, "a", loop).status().key_shared is None
    net.add_peer("old", url_of("a"))
    [peer] = peers_of(net, "old", loop)
    assert peer.last_error == "another host runs with this node's key"
    assert peer.next_attempt_s is not None
    assert 30 < peer.next_attempt_s < 73
