"""Configured peers: how soon one that was lost is found again, and what has it dialled at once."""

import random
from itertools import pairwise

import pytest

from mycelium.endpoint import Endpoint
from mycelium.link.link import LinkState
from mycelium.peering.configured import FRESH_S, PeerList
from tests.support.node_net import PORT, NodeNet, url_of
from tests.support.small_meshes import is_up, link_of, ping, ping_until_answered, reaches, ready_line, ready_pair


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("gone_s", [40.0, 100.0, 280.0])
def test_a_peer_lost_minutes_ago_is_found_within_five_seconds_of_its_return(gone_s: float, seed: int) -> None:
    net = ready_pair(seed=seed)
    net.stop("b")
    net.run(gone_s + seed)
    net.restart("b")
    assert net.run(30, until=lambda: is_up(net, "a", "b")) < 5.0


def test_a_peer_lost_long_ago_is_knocked_at_more_rarely() -> None:
    peers = PeerList(random.Random(1))
    peers.add("udp://b:1", None, now=0.0)
    dialled = [0.0]
    while dialled[-1] < 3 * FRESH_S:
        assert peers.take_due(now=peers.next_deadline())
        dialled.append(peers.next_deadline())
    gaps = {True: [0.0], False: [0.0]}
    for one, other in pairwise(dialled):
        gaps[one > FRESH_S].append(other - one)
    assert max(gaps[False]) < 11.0  # of which a handshake knocks for six
    assert 20.0 < max(gaps[True]) < 26.0


def test_a_peer_that_comes_to_us_is_dialled_at_its_address_at_once() -> None:
    net = ready_pair()
    url = url_of("b")
    net.stop("b")
    net.run(1_000.0)
    b = net.restart("b")
    peer = net.hosts["a"].node.peers.by_url[url]
    peer.next_attempt = net.now + 18.0
    b.node.handshakes.begin(Endpoint("udp", "a", PORT), pin=None, now=net.now)
    net.drain("b")

    net.run(1.0, until=lambda: peer.is_linked)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gone_s", [0.3, 1.0, 3.0])
def test_a_relay_that_was_killed_carries_again_within_a_second_of_its_start(gone_s: float, seed: int) -> None:
    net = ready_line("arb", 0.0005, seed=seed)  # a dials the relay, which dials b
    ping_under_way(net, 2.0)
    net.stop("r")
    ping_under_way(net, gone_s)
    net.restart("r")
    assert ping_until_answered(net, "a", "b", within=1.0, every=0.01) < 0.9
    assert ping_until_answered(net, "b", "a", within=0.1, every=0.01) < 0.05


def test_a_dead_peer_that_is_removed_is_not_found_again() -> None:
    net = ready_pair()
    link = link_of(net, "a", "b")
    net.stop("b")
    net.run(10.0)
    assert link.state is LinkState.DOWN
    a = net.hosts["a"].node
    a.remove_peer(url_of("b"), now=net.now)
    net.restart("b")
    net.run(60.0)
    assert not a.links


def ping_under_way(net: NodeNet, seconds: float) -> None:
    end = net.now + seconds
    while net.now < end:
        net.run(0.01)
        ping(net, "a", "b")


@pytest.mark.parametrize("slept_s", [3.0, 40.0, 600.0])
@pytest.mark.parametrize("sleeper", ["a", "b"], ids=["dialling", "dialled"])
def test_a_host_that_slept_is_back_as_soon_as_it_wakes(sleeper: str, slept_s: float) -> None:
    net = ready_pair(0.01)
    net.run(5.0)
    net.starve(sleeper, slept_s)
    net.drop = lambda source, destination, data: sleeper in (source, destination)  # its interface sleeps too
    net.run(slept_s - 0.001)
    net.drop = lambda source, destination, data: False
    net.run(0.002)
    net.hosts[sleeper].node.resumed(now=net.now)
    net.drain(sleeper)
    woken_at = net.now
    net.run(0.1)
    assert is_up(net, "a", "b")
    assert reaches(net, "a", "b")
    assert reaches(net, "b", "a")
    assert ping_until_answered(net, "a", "b", within=0.1) < 0.1
    net.run(woken_at + 20 - net.now)
    assert is_up(net, "a", "b")
