"""Knocks across a virtual network: they arrive unless a NAT keeps strangers out, and nobody has one sent elsewhere."""

import pytest

from mycelium.endpoint import Endpoint
from mycelium.limits import KNOCKS_AWAITED, KNOCKS_PER_VERSION
from mycelium.peering.knocks import KNOCK_EVERY_S, Knock
from mycelium.wire.knock import KNOCK_NONCE_BYTES, KnockWanted, encode_knock
from sim.net.nat import Behaviour, Nat, NatModel
from sim.net.network import PORT, VirtualHost
from sim.net.node_net import NodeNet

STRANGER = Endpoint("udp", "5.9.0.1", 9)
HERE, NEIGHBOURS = "5.0.0.1", ["5.1.0.1", "5.1.0.2", "5.1.0.3"]


def meshed(nat: Nat | None = None) -> NodeNet:
    """Returns a node with three neighbours, behind a NAT if there is one."""
    net = NodeNet()
    for number, name in enumerate([HERE, *NEIGHBOURS]):
        net.add(name, seed=number)
    net.hosts[HERE].nat = nat
    for name in NEIGHBOURS:
        net.connect(HERE, name, 0.005)
        net.add_peer(HERE, f"udp://{name}:{PORT}")
    net.run(1)
    assert len(net.hosts[HERE].node.links) == len(NEIGHBOURS)
    return net


def ask(net: NodeNet) -> tuple[Knock, ...]:
    asked = net.hosts[HERE].node.knocks.ask(now=net.now)
    net.drain(HERE)
    net.run(0.1)
    return asked


def say(net: NodeNet, nonce: bytes) -> None:
    """Has the node ask its first neighbour for a knock that it does not await."""
    node = net.hosts[HERE].node
    node.links[net.hosts[NEIGHBOURS[0]].address].send_items((KnockWanted(nonce),), now=net.now)
    net.drain(HERE)
    net.run(0.05)


def metric(net: NodeNet, name: str, which: str) -> int:
    return net.hosts[name].node.metrics.values()[which]


def test_knocks_arrive_where_nothing_keeps_strangers_out() -> None:
    asked = ask(meshed())
    assert len(asked) == KNOCKS_PER_VERSION
    assert {one.neighbour for one in asked} <= {host.address for host in meshed().hosts.values()}
    assert all(one.version == 4 and one.has_arrived for one in asked)


@pytest.mark.parametrize(
    ("filtering", "is_let_in"),
    [("endpoint-independent", True), ("address-dependent", True), ("address-and-port-dependent", False)],
)
def test_they_tell_whether_a_nat_lets_in_who_was_not_spoken_to(filtering: Behaviour, is_let_in: bool) -> None:
    net = meshed(Nat(NatModel(filtering=filtering)))
    assert {one.has_arrived for one in ask(net)} == {is_let_in}


@pytest.mark.parametrize(
    "other",
    [Endpoint("udp", "fe80::1", PORT, scope=2), Endpoint("tcp", "5.1.0.1", PORT, connection=7)],
    ids=["link-local", "connection"],
)
def test_a_path_in_use_that_tells_strangers_nothing_leaves_the_knock_to_another_one(other: Endpoint) -> None:
    """The ends of a link choose their paths by themselves: the neighbour's is one that it can't knock at, then this node's."""
    net = meshed()
    here, there = net.hosts[HERE], net.hosts[NEIGHBOURS[0]]
    for gone in NEIGHBOURS[1:]:
        del here.node.links[net.hosts[gone].address]
    paths = there.node.links[here.address].paths
    paths.active = paths.add_validated(other, now=net.now)
    assert [(one.version, one.has_arrived) for one in ask(net)] == [(4, True)]
    paths = here.node.links[there.address].paths
    paths.active = paths.add_validated(other, now=net.now)
    assert [one.version for one in ask(net)] == [4]


def test_a_knock_over_another_version_of_ip_than_expected_is_told_as_what_it_is() -> None:
    net = meshed()
    [asked, *_] = net.hosts[HERE].node.knocks.ask(now=net.now)
    nonce = next(iter(net.hosts[HERE].node.knocks._awaited))
    assert net.hosts[HERE].node.knocks.takes(Endpoint("udp", "2001:db8::9", 9), memoryview(encode_knock(nonce)))
    assert (asked.version, asked.has_arrived) == (6, True)


def test_one_that_was_not_asked_for_or_comes_again_is_no_knock() -> None:
    net = meshed()
    node = net.hosts[HERE].node
    say(net, bytes(KNOCK_NONCE_BYTES))
    assert metric(net, NEIGHBOURS[0], "knocks_sent") == 1
    assert metric(net, HERE, "datagrams_unknown") == 1
    assert not node.knocks.takes(STRANGER, memoryview(encode_knock(bytes(KNOCK_NONCE_BYTES))))
    net.run(KNOCK_EVERY_S)
    before = metric(net, HERE, "datagrams_unknown")
    assert all(one.has_arrived for one in ask(net))
    assert metric(net, HERE, "datagrams_unknown") == before


def test_a_neighbour_that_asks_too_often_gets_no_more() -> None:
    net = meshed()
    for number in range(5):
        say(net, bytes([number]) * KNOCK_NONCE_BYTES)
    assert metric(net, NEIGHBOURS[0], "knocks_sent") == 1
    assert metric(net, NEIGHBOURS[0], "knocks_refused") == 4
    net.run(KNOCK_EVERY_S)
    say(net, bytes(KNOCK_NONCE_BYTES))
    assert metric(net, NEIGHBOURS[0], "knocks_sent") == 2


def test_of_many_that_have_not_come_yet_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bytes] = []
    monkeypatch.setattr(VirtualHost, "knock", lambda host, due: held.append(due.datagram))
    net = meshed()
    asked: list[Knock] = []
    while len(held) < 2 * KNOCKS_AWAITED:
        asked += ask(net)
        net.run(KNOCK_EVERY_S)
    taken = [net.hosts[HERE].node.knocks.takes(STRANGER, memoryview(datagram)) for datagram in held]
    assert taken == [False] * (len(held) - KNOCKS_AWAITED) + [True] * KNOCKS_AWAITED
    assert sum(one.has_arrived for one in asked) == KNOCKS_AWAITED
