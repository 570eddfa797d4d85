"""Automatic peers: how many, whom first, and what becomes of them."""

import pytest

from mycelium.limits import CANDIDATES_AT_ONCE
from mycelium.link.link import LinkState
from mycelium.peering.auto import CLOSED, GRACE_S, SILENT, SURPLUS
from mycelium.wire.known_peer import KnownPeer, known_peer
from sim.net.network import PORT
from sim.net.node_net import NodeNet

A = "5.0.0.1"
FAR = [f"5.{number}.0.1" for number in range(1, 7)]


def star(delays_s: dict[str, float] | None = None, *, seed: int = 0) -> NodeNet:
    """Returns a node and others that it can reach, each with a wire of its own, and knows nothing of."""
    net = NodeNet(seed)
    net.add(A)
    for number, name in enumerate(FAR):
        net.add(name, seed=number)
        net.connect(A, name, (delays_s or {}).get(name, 0.005))
    return net


def told(net: NodeNet, *names: str) -> tuple[KnownPeer, ...]:
    return tuple(known_peer(net.hosts[name].endpoint, net.hosts[name].identity.exchange_public_key) for name in names)


def want(net: NodeNet, wanted: int, *names: str) -> None:
    net.hosts[A].node.exchange.keep(wanted, told(net, *names), now=net.now)


def kept(net: NodeNet) -> set[str]:
    return {one.peer.address.host for one in net.hosts[A].node.exchange.auto.kept.values()}


def causes(net: NodeNet) -> list[str | None]:
    return [entry.cause for entry in net.hosts[A].node.journal.after(0) if entry.kind.value == "auto-peer"]


def links(net: NodeNet) -> set[str]:
    node = net.hosts[A].node
    return {link.paths.active.endpoint.host for link in node.links.values() if link.state is not LinkState.DOWN}


@pytest.mark.parametrize("wanted", [0, 1, 3, 6])
def test_there_are_never_more_than_wanted(wanted: int) -> None:
    net = star()
    want(net, wanted, *FAR)
    for _ in range(60):
        net.run(1)
        assert len(links(net)) <= wanted
    assert len(kept(net)) == len(links(net)) == wanted


def test_of_the_first_that_are_dialled_at_once_the_nearest_is_kept() -> None:
    delays_s = dict(zip(FAR, (0.2, 0.1, 0.01, 0.3), strict=False))
    net = star(delays_s)
    want(net, 1, *FAR[:CANDIDATES_AT_ONCE])
    net.run(30)
    assert kept(net) == {FAR[2]}


def test_a_network_without_an_automatic_peer_comes_first() -> None:
    net = NodeNet()
    near, beside, elsewhere = "5.5.5.1", "5.5.5.2", "6.6.6.6"
    net.add(A)
    for number, name in enumerate((near, beside, elsewhere)):
        net.add(name, seed=number)
        net.connect(A, name)
    want(net, 1, near)
    net.run(5)
    want(net, 2, beside, elsewhere)
    net.run(5)
    assert kept(net) == {near, elsewhere}


def test_one_that_falls_silent_is_replaced() -> None:
    net = star()
    want(net, 1, *FAR[:2])
    net.run(10)
    [first] = kept(net)
    net.cut(A, first)
    net.run(GRACE_S + 10)
    assert kept(net) == {FAR[0], FAR[1]} - {first}
    assert causes(net)[:2] == [None, SILENT]


def test_one_that_closes_its_link_is_replaced_at_once() -> None:
    net = star()
    want(net, 1, *FAR[:2])
    net.run(10)
    [first] = kept(net)
    net.close(first)
    net.run(3)
    assert kept(net) == {FAR[0], FAR[1]} - {first}
    assert causes(net)[:2] == [None, CLOSED]


def test_a_short_outage_costs_no_automatic_peer() -> None:
    net = star()
    want(net, 1, *FAR[:2])
    net.run(10)
    before = kept(net)
    [first] = before
    net.cut(A, first)
    net.run(GRACE_S / 2)
    net.mend(A, first)
    net.run(30)
    assert kept(net) == before
    assert causes(net) == [None]


def test_the_slowest_are_given_up_when_fewer_are_wanted() -> None:
    net = star({FAR[0]: 0.1})
    want(net, 3, *FAR[:3])
    net.run(60)
    assert len(kept(net)) == 3
    want(net, 2)
    net.run(3)
    assert kept(net) == links(net) == {FAR[1], FAR[2]}
    assert causes(net)[-1] == SURPLUS


def test_the_link_of_one_that_is_in_the_peer_list_too_is_left_alone() -> None:
    net = star()
    want(net, 1, FAR[0])
    net.run(5)
    net.add_peer(A, f"udp://{FAR[0]}:{PORT}")
    net.run(5)
    want(net, 0)
    net.run(5)
    assert kept(net) == set()
    assert links(net) == {FAR[0]}


def test_who_answers_with_another_key_is_no_automatic_peer() -> None:
    net = star()
    [right] = told(net, FAR[0])
    net.hosts[A].node.exchange.keep(1, [right._replace(key=told(net, FAR[1])[0].key)], now=net.now)
    net.run(60)
    assert kept(net) == set()
    assert links(net) == set()
