"""What a node's snapshot shows: every peer once, whatever has become of its link, and links, paths and sessions as they are."""

import pytest

from mycelium.link.link import LinkState
from mycelium.node.snapshot import NodeSnapshot, PeerOrigin, PeerState
from sim.net.network import url_of
from sim.net.node_net import NodeNet
from tests.support.small_meshes import deliver, is_up, ping, ready_pair


def snapshot_of(net: NodeNet, name: str) -> NodeSnapshot:
    return net.hosts[name].node.snapshot(now=net.now)


def test_a_link_shows_its_neighbour_its_cost_and_the_path_in_use_first() -> None:
    net = ready_pair(delay=0.005)
    [link] = snapshot_of(net, "a").links
    b = net.hosts["b"].node.identity
    assert (link.address, link.exchange_key, link.state) == (b.address, b.exchange_public_key, LinkState.UP)
    assert link.cost is not None
    assert link.paths[0].rtt_s == pytest.approx(0.010, abs=0.002)
    assert link.paths[0].endpoint.host == "b"
    assert link.tx_bytes == sum(path.tx_bytes for path in link.paths) > 0, "no path was removed"


def test_a_link_shows_what_is_measured_and_nothing_else_at_the_start_under_load_and_in_an_outage() -> None:
    net = NodeNet()
    for name in "ab":
        net.add(name)
    net.join("a", "b")
    [peer] = snapshot_of(net, "a").peers
    assert (peer.link, peer.state) == (None, PeerState.CONNECTING)
    net.run(5, until=lambda: is_up(net, "a", "b"))
    assert snapshot_of(net, "a").links[0].loss is None, "the neighbour has reported nothing"
    for _ in range(10):
        ping(net, "a", "b")
        net.run(1)
    [link] = snapshot_of(net, "a").links
    assert link.loss == 0.0
    assert link.paths[0].rtt_s == pytest.approx(0.010, abs=0.001)
    assert link.paths[0].measured_at == pytest.approx(net.now, abs=3.0)
    net.cut("a", "b")
    net.run(12)
    [link] = snapshot_of(net, "a").links
    assert (link.loss, link.cost, link.paths[0].rtt_s) == (None, None, None)
    assert link.paths[0].measured_at == pytest.approx(net.now - 12, abs=3.0)
    net.mend("a", "b")
    net.run(20, until=lambda: is_up(net, "a", "b"))
    net.run(5)
    [link] = snapshot_of(net, "a").links
    assert link.loss == 0.0, "what the cut took is over"
    assert link.paths[0].rtt_s == pytest.approx(0.010, abs=0.001)


def test_the_path_in_use_stands_first_after_a_move() -> None:
    net = ready_pair()
    net.add_address("b", "b2")
    net.run(1)
    net.cut("a", "b")
    net.hosts["b"].addresses.reverse()
    for _ in range(20):
        ping(net, "a", "b")
        net.run(0.5)
    [link] = snapshot_of(net, "a").links
    assert link.paths[0].endpoint == net.hosts["a"].node.links[link.address].paths.active.endpoint


def test_a_session_shows_its_keys_and_what_waits_for_them() -> None:
    net = ready_pair()
    [session] = snapshot_of(net, "a").sessions
    assert (session.peer, session.has_keys, session.queued_packets) == (net.hosts["b"].address, True, 0)
    fresh = NodeNet()
    for name in "ab":
        fresh.add(name)
    fresh.join("a", "b")
    fresh.run(5)
    ping(fresh, "a", "b")
    [waiting] = snapshot_of(fresh, "a").sessions
    assert (waiting.has_keys, waiting.is_requesting, waiting.queued_packets) == (False, True, 1)


def test_a_configured_peer_is_one_row_before_during_and_after_an_outage() -> None:
    net = ready_pair()
    states = []
    for seconds in (10.0, 80.0):
        [peer] = snapshot_of(net, "a").peers
        states.append((peer.origin, peer.url, peer.state is PeerState.ALIVE, peer.link is not None))
        net.cut("a", "b")
        net.run(seconds)
    [peer] = snapshot_of(net, "a").peers
    assert states == [
        (PeerOrigin.CONFIGURED, url_of("b"), True, True),
        (PeerOrigin.CONFIGURED, url_of("b"), False, True),
    ]
    assert peer.link is None
    assert peer.last_heard is not None


def test_a_neighbour_that_dialled_is_inbound_and_known_since_its_link_came_up() -> None:
    net = ready_pair()
    [peer] = snapshot_of(net, "b").peers
    [link] = snapshot_of(net, "b").links
    assert (peer.origin, peer.url, peer.link) == (PeerOrigin.INBOUND, None, link)
    assert peer.known_since == link.connected_since


def test_a_peer_whose_name_is_being_resolved_is_connecting() -> None:
    net = ready_pair()
    net.hosts["a"].node.add_peer("udp://unresolved:1", now=net.now)
    assert [peer.state for peer in snapshot_of(net, "a").peers] == [PeerState.ALIVE, PeerState.CONNECTING]


def test_neighbours_on_the_local_link_are_discovered_with_and_without_a_link() -> None:
    net = NodeNet()
    here, there = "fe80::1", "fe80::2"
    for name in (here, there):
        net.add(name)
        net.hosts[name].node.start_discovery(9651, now=net.now)
    net.connect(here, there)
    net.drain(here)
    net.run(10)
    kinds = {peer.origin for name in (here, there) for peer in snapshot_of(net, name).peers}
    assert PeerOrigin.DISCOVERED in kinds
    net.cut(here, there)
    net.run(120)
    assert all(peer.state is not PeerState.ALIVE for peer in snapshot_of(net, here).peers)


def test_the_key_of_a_node_is_found_by_any_address_of_its_subnet() -> None:
    net = ready_pair()
    deliver(net, "a", "b")
    a, b = net.hosts["a"].node, net.hosts["b"].node.identity
    assert a.exchange_key_of(b.address[:8] + bytes(8)) == b.exchange_public_key
    assert a.exchange_key_of(a.identity.address) == a.identity.exchange_public_key
    assert a.exchange_key_of(b"\x05" + bytes(15)) is None
