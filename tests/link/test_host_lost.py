"""What the host itself knows of a loss counts at once: interfaces, addresses and ways that are gone; ICMP only has us ask."""

import random
import statistics

import pytest

from mycelium.endpoint import Endpoint, Lost
from mycelium.link.link import Link, LinkState
from mycelium.link.path.liveness import DEAD_INTERVAL_S
from sim.net.network import PORT, url_of
from sim.net.node_net import NodeNet
from tests.support.small_meshes import deliver, is_up, is_whole, link_of, ping, ready_line, ready_pair


def two_homed() -> NodeNet:
    """A triangle: a reaches b from one of its addresses, c from the other."""
    net = NodeNet(pktinfo=True)
    for name in "abc":
        net.add(name)
    net.hosts["a"].add_address("a2")
    for one, other in ("ab", ("a2", "c"), "bc"):
        net.connect(one, other, 0.0005)
    net.add_peer("a", url_of("b"))
    net.add_peer("b", url_of("c"))
    net.add_peer("c", url_of("a2"))
    net.run(10, until=lambda: is_whole(net) and is_up(net, "a", "c"))
    net.run(1)
    deliver(net, "a", "b")
    return net


@pytest.mark.parametrize("lost", [Lost(frozenset((b"a",))), Lost(endpoint=Endpoint("udp", "b", PORT, 0, b"a"))])
def test_packets_leave_another_way_at_the_moment_the_host_loses_an_address(lost: Lost) -> None:
    net = two_homed()
    assert link_of(net, "a", "b").state is LinkState.UP
    net.cut("a", "b")
    net.hosts["a"].node.host_lost(lost, now=net.now)
    net.drain("a")
    assert link_of(net, "a", "b").state is LinkState.SUSPECT
    assert deliver(net, "a", "b", within=0.01) < 0.002
    net.run(0.1)
    assert link_of(net, "a", "b").state is LinkState.DOWN
    assert link_of(net, "a", "c").state is LinkState.UP


def test_a_link_local_neighbour_is_lost_with_its_interface() -> None:
    net = ready_pair()
    link = link_of(net, "a", "b")
    link.paths.active.endpoint = link.paths.active.endpoint._replace(scope=7)
    link.paths.by_endpoint.clear()
    link.paths.by_endpoint[link.paths.active.endpoint] = link.paths.active
    states = []
    for interface in (6, 7):
        net.hosts["a"].node.host_lost(Lost(interface=interface), now=net.now)
        states.append(link.state)
    assert states == [LinkState.UP, LinkState.SUSPECT]


def test_a_warm_second_path_takes_over_and_routing_notices_nothing() -> None:
    net = ready_pair(pktinfo=True)
    net.hosts["a"].add_address("a2")
    net.connect("a2", "b", 0.007)
    net.hosts["b"].node.handshakes.begin(Endpoint("udp", "a2", PORT), pin=None, now=net.now)
    net.drain("b")
    net.run(30)
    link = link_of(net, "a", "b")
    assert len(link.paths.by_endpoint) == 2
    lost = link.paths.active.endpoint.local
    net.cut(lost.decode(), "b")
    net.hosts["a"].node.host_lost(Lost(frozenset((lost,))), now=net.now)
    net.drain("a")
    assert link.state is LinkState.UP
    assert link.paths.active.endpoint.local not in (lost, b"")
    assert deliver(net, "a", "b", within=0.1) < 0.01


def test_a_host_that_keeps_another_address_keeps_its_link() -> None:
    net = ready_pair(pktinfo=True)
    net.add_address("a", "a2")
    net.hosts["a"].addresses.remove("a")
    net.hosts["a"].node.host_lost(Lost(frozenset((b"a",))), now=net.now)
    net.drain("a")
    net.run(0.05, until=lambda: is_up(net, "a", "b"))
    assert not any(host.deaths for host in net.hosts.values())


def test_a_path_that_was_wrongly_taken_for_lost_is_back_after_one_round_trip() -> None:
    net = ready_pair(pktinfo=True)
    node = net.hosts["a"].node
    node.host_lost(Lost(frozenset((b"a",))), now=net.now)
    net.drain("a")
    assert link_of(net, "a", "b").state is LinkState.SUSPECT
    net.run(0.05, until=lambda: is_up(net, "a", "b"))


@pytest.mark.parametrize("event", ["some other loss", "another network"])
def test_news_that_name_no_path_find_a_silent_cut_of_an_idle_link_within_a_tenth_of_a_second(event: str) -> None:
    net = ready_pair(0.0005)
    net.run(20)
    net.cut("a", "b")
    node = net.hosts["a"].node
    if event == "another network":
        node.network_changed(now=net.now)
    else:
        node.host_lost(Lost(), now=net.now)
    net.drain("a")
    link = link_of(net, "a", "b")
    assert net.run(1, until=lambda: link.state is not LinkState.UP) < 0.1
    assert net.run(1, until=lambda: link.state is LinkState.DOWN) < 0.2


def test_an_endpoint_that_is_refused_costs_links_elsewhere_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    net = ready_line("abc", 0.0004, seed=1)
    node = net.hosts["b"].node
    told: list[bytes] = []
    monkeypatch.setattr(Link, "host_lost", lambda link, lost, now: told.append(link.address))
    monkeypatch.setattr(Link, "datagram_refused", lambda link, endpoint, size, now: told.append(link.address))
    link = link_of(net, "b", "c")
    endpoint = link.paths.active.endpoint
    node.host_lost(Lost(endpoint=endpoint), now=net.now)
    node.datagram_refused(endpoint, 1_400, now=net.now)
    assert told == [link.address] * 2


def test_refused_sends_are_tried_again_once_a_second() -> None:
    net = ready_pair()
    a = net.hosts["a"].node
    endpoint = link_of(net, "a", "b").paths.active.endpoint
    tries: list[float] = []

    def refuse(sender: str, receiver: str, data: bytes) -> bool:
        if sender == "a" and len(data) < 1_000:
            tries.append(net.now)
            net.at(net.now, lambda: a.host_lost(Lost(endpoint=endpoint), now=net.now))
        return sender == "a"

    net.drop = refuse
    net.run(20)
    assert len(tries) < 20 / DEAD_INTERVAL_S * 5  # our questions, and answers to theirs


@pytest.mark.parametrize("is_told", [True, False], ids=["told by ICMP", "silent"])
def test_death_of_a_neighbour_under_pings_is_left_in_time(is_told: bool) -> None:
    rng = random.Random(3)
    found = []
    for seed in range(9):
        net = ready_line("abc", 0.0004, seed=seed)
        for _ in range(200):
            ping(net, "a", "c")
            net.run(0.004)
            ping(net, "c", "a")
            net.run(0.006)
        net.run(rng.random() * 0.01)
        net.stop("b")
        endpoint, start, a = Endpoint("udp", "b", PORT), net.now, net.hosts["a"].node
        link = next(iter(a.links.values()))
        while link.state is LinkState.UP:
            ping(net, "a", "c")
            if is_told:
                net.run(0.0008)
                a.unreachable({endpoint: ""}, now=net.now)
                net.drain("a")
            net.run(0.010)
        found.append(net.now - start)
    assert statistics.median(found) < (0.09 if is_told else 0.125)


def test_why_a_peer_can_t_be_reached_is_kept_for_its_handshake() -> None:
    net = NodeNet()
    a = net.add("a").node
    handshake = a.handshakes.begin(Endpoint("udp", "192.0.2.9", 1), pin=None, now=net.now)
    a.unreachable({Endpoint("udp", "192.0.2.8", 1): "no route", Endpoint("udp", "192.0.2.9", 1): "closed"}, now=net.now)
    assert a.handshakes._initiations[handshake].cause(now=net.now) == "closed"


def test_lies_about_unreachable_neighbours_cost_some_probes_and_no_link() -> None:
    net = ready_pair(0.0005)
    net.run(10)
    a, link = net.hosts["a"].node, link_of(net, "a", "b")
    net.capture = []
    for _ in range(10_000):
        a.unreachable({link.paths.active.endpoint: ""}, now=net.now)
        net.drain("a")
        net.run(0.001)
        assert link.state is LinkState.UP
    assert len(net.capture) / 10 < 2 / 0.026 + 10  # a probe and its answer a probe timeout, and what is sent anyway


def test_a_host_that_gets_another_address_at_once_keeps_its_link() -> None:
    net = ready_pair(pktinfo=True)
    host = net.hosts["a"]
    net.cut("a", "b")
    host.node.host_lost(Lost(frozenset((b"a",))), now=net.now)
    net.drain("a")
    net.run(0.010)
    net.mend("a", "b")
    host.node.host_gained(now=net.now)
    net.drain("a")
    net.run(0.5)
    assert link_of(net, "a", "b").state is LinkState.UP
    assert host.deaths == []


def test_a_host_that_gains_something_leaves_links_alone_that_have_lost_nothing() -> None:
    net = ready_pair()
    before = link_of(net, "a", "b").paths.active.tx_bytes
    net.hosts["a"].node.host_gained(now=net.now)
    net.drain("a")
    assert link_of(net, "a", "b").paths.active.tx_bytes == before
