"""Nodes tell each other of nodes: who asks, who is told of, what is believed; and a mesh outlives its first peers."""

from collections.abc import Iterable
from itertools import combinations

import pytest

from mycelium.limits import PEERS_PER_MESSAGE
from mycelium.node.snapshot import PeerOrigin
from mycelium.peering.exchange import ANSWER_EVERY_S, ASK_EVERY_S
from mycelium.wire.control import Item, PeersKnown, PeersWanted
from mycelium.wire.known_peer import KnownPeer
from mycelium.wire.underlay_address import UnderlayAddress
from sim.net.network import PORT
from sim.net.node_net import NodeNet
from tests.support.small_meshes import is_whole

HUB, SECOND_HUB = "5.0.0.1", "5.0.1.1"
LEAVES = [f"5.1.{number}.1" for number in range(6)]


def around_hubs(
    hubs: Iterable[str], leaves: Iterable[str], *, wanted: int, seed: int = 0, wires_s: float = 0.005
) -> NodeNet:
    """Returns an internet on which everybody could reach everybody, and leaves that know the hubs only."""
    net = NodeNet(seed)
    hubs, leaves = list(hubs), list(leaves)
    for number, name in enumerate(hubs + leaves):
        net.add(name, seed=number)
    for one, other in combinations(hubs + leaves, 2):
        net.connect(one, other, wires_s)
    for name in hubs + leaves:
        want(net, name, wanted)
    for name in leaves:
        for hub in hubs:
            net.add_peer(name, f"udp://{hub}:{PORT}")
    return net


def want(net: NodeNet, name: str, wanted: int, known: tuple[KnownPeer, ...] = ()) -> None:
    net.hosts[name].node.exchange.keep(wanted, known, now=net.now)


def kept(net: NodeNet, name: str) -> set[bytes]:
    return set(net.hosts[name].node.exchange.auto.kept)


def known(net: NodeNet, name: str) -> set[str]:
    return {peer.address.host for peer in net.hosts[name].node.exchange.known.by_peer}


def say(net: NodeNet, speaker: str, listener: str, *items: Item) -> None:
    """Has a node say what it would not say by itself."""
    net.hosts[speaker].node.links[net.hosts[listener].address].send_items(items, now=net.now)
    net.drain(speaker)
    net.run(0.1)


def metric(net: NodeNet, name: str, which: str) -> int:
    return net.hosts[name].node.metrics.values()[which]


@pytest.mark.parametrize("seed", range(3))
def test_a_mesh_that_loses_all_the_peers_of_its_lists_and_half_of_its_nodes_stays_one(seed: int) -> None:
    leaves = [f"5.1.{number}.1" for number in range(14)]
    net = around_hubs([HUB, SECOND_HUB], leaves, wanted=3, seed=seed)
    net.run(60)
    assert all(1 <= len(kept(net, name)) <= 3 for name in leaves)
    for name in (HUB, SECOND_HUB, *leaves[:6]):
        net.stop(name)
    net.run(60, until=lambda: is_whole(net))
    net.run(60)
    assert is_whole(net)
    assert all(len(kept(net, name)) <= 3 for name in net.hosts)


def test_a_node_that_starts_without_any_of_its_peers_gets_in_by_what_it_knew() -> None:
    net = around_hubs([HUB], LEAVES, wanted=2)
    net.run(30)
    knew = tuple(net.hosts[LEAVES[0]].node.exchange.known.worth_keeping())
    for name in (HUB, LEAVES[0]):
        net.stop(name)
    net.run(30)
    net.restart(LEAVES[0])
    want(net, LEAVES[0], 2, knew)
    net.run(10, until=lambda: is_whole(net))
    assert kept(net, LEAVES[0])


def test_nobody_is_dialled_unless_the_operator_wants_it() -> None:
    net = around_hubs([HUB], LEAVES, wanted=0)
    net.run(60)
    assert all(len(net.hosts[name].node.links) == 1 for name in LEAVES)
    assert [metric(net, name, "peers_told") for name in net.hosts] == [0] * 7


def test_who_does_not_ask_is_not_told_of_and_answers_all_the_same() -> None:
    net = around_hubs([HUB], LEAVES, wanted=0)
    want(net, LEAVES[0], 2)
    want(net, LEAVES[1], 2)
    net.run(60)
    assert known(net, LEAVES[0]) == {LEAVES[1]}
    assert known(net, LEAVES[1]) == {LEAVES[0]}
    assert kept(net, LEAVES[0]) | kept(net, LEAVES[1])
    assert all(len(net.hosts[name].node.links) == 1 for name in LEAVES[2:])


def test_automatic_peers_are_shown_as_such_and_told_in_the_journal() -> None:
    net = around_hubs([HUB], LEAVES, wanted=1)
    net.run(60)
    node = net.hosts[LEAVES[0]].node
    assert [peer.origin for peer in node.snapshot(now=net.now).peers].count(PeerOrigin.AUTOMATIC) == 1
    assert [entry.node for entry in node.journal.after(0) if entry.kind.value == "auto-peer"] == list(
        node.exchange.auto.kept
    )


def test_answers_that_nobody_asked_for_are_dropped() -> None:
    net = around_hubs([HUB], LEAVES[:1], wanted=1)
    net.run(3)
    victim = KnownPeer("udp", UnderlayAddress("5.9.9.9", 53), bytes(31) + b"\1")
    say(net, HUB, LEAVES[0], PeersKnown((victim,)), PeersKnown((victim,)))
    assert known(net, LEAVES[0]) == set()
    assert metric(net, LEAVES[0], "peers_unasked") == 2


def test_what_comes_after_the_link_of_a_neighbour_has_ended_is_dropped() -> None:
    net = around_hubs([HUB], LEAVES[:1], wanted=1)
    net.run(3)
    exchange = net.hosts[LEAVES[0]].node.exchange
    exchange.receive(b"gone" * 4, [PeersWanted()], now=net.now)
    assert metric(net, LEAVES[0], "peers_unasked") == 0


def test_of_an_answer_only_as_many_are_taken_as_one_may_have() -> None:
    net = around_hubs([HUB], LEAVES[:1], wanted=1)
    net.run(3)
    many = tuple(
        KnownPeer("udp", UnderlayAddress(f"5.9.{number}.9", 53), number.to_bytes(32, "big")) for number in range(1, 20)
    )
    net.hosts[LEAVES[0]].node.exchange._talks[net.hosts[HUB].address].awaits = True
    say(net, HUB, LEAVES[0], PeersKnown(many))
    assert metric(net, LEAVES[0], "peers_learned") == PEERS_PER_MESSAGE
    assert metric(net, LEAVES[0], "peers_not_learned") == len(many) - PEERS_PER_MESSAGE


def test_who_asks_too_often_gets_no_answer() -> None:
    net = around_hubs([HUB], LEAVES[:3], wanted=0)
    net.run(3)
    say(net, LEAVES[1], HUB, PeersWanted())
    for _ in range(20):
        say(net, LEAVES[0], HUB, PeersWanted())
    assert metric(net, HUB, "peers_told") == 1
    assert metric(net, HUB, "peers_asked_too_often") == 19
    net.run(ANSWER_EVERY_S)
    say(net, LEAVES[0], HUB, PeersWanted())
    assert metric(net, HUB, "peers_told") == 2


def test_an_address_that_nobody_answers_at_is_not_passed_on() -> None:
    net = around_hubs([HUB, SECOND_HUB], LEAVES[:2], wanted=2)
    net.run(3)
    made_up = KnownPeer("udp", UnderlayAddress("5.9.9.9", 53), bytes(31) + b"\1")
    net.hosts[LEAVES[0]].node.exchange._talks[net.hosts[HUB].address].awaits = True
    say(net, HUB, LEAVES[0], PeersKnown((made_up,)))
    net.run(2 * ASK_EVERY_S)
    assert "5.9.9.9" in known(net, LEAVES[0])
    assert "5.9.9.9" not in known(net, LEAVES[1]) | known(net, SECOND_HUB)
    assert metric(net, LEAVES[0], "auto_peers_dialled") < 15


def test_private_addresses_stay_among_private_ones() -> None:
    net = NodeNet()
    hub, inside, beside, outside = "10.0.0.1", "10.0.1.2", "10.0.2.3", "5.5.5.5"
    for number, name in enumerate((hub, inside, beside, outside)):
        net.add(name, seed=number)
        want(net, name, 2)
    for name in (inside, beside, outside):
        net.join(name, hub)
    net.run(60)
    assert known(net, outside) == set()
    assert beside in known(net, inside)
