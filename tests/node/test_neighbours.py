"""The links of a node: who may have one at the bound, which handshakes end with a link, and for how long a dead one is kept."""

import pytest

from mycelium.link.link import LinkState
from mycelium.node import neighbours as neighbours_module
from mycelium.node.neighbours import DEAD_LINK_KEPT_S, ENDED_LINK_KEPT_S
from mycelium.peering.auto import AutoPeer
from mycelium.peering.discovery import DiscoveredPeer
from mycelium.wire.datagram import HANDSHAKE_1, HANDSHAKE_3
from mycelium.wire.known_peer import known_peer
from sim.net.network import url_of
from sim.net.node_net import NodeNet
from tests.support.small_meshes import counter, is_up, link_of, ready_pair


def handshakes_of(net: NodeNet, sender: str) -> int:
    """Returns how many handshakes a host has started since the capture began; copies of a message count once."""
    assert net.capture is not None
    return len({data[8:40] for source, _, data in net.capture if source == sender and data[0] == HANDSHAKE_1})  # by `e`


@pytest.mark.parametrize("dialling", [True, False], ids=["dialled", "dialling us"])
def test_strangers_that_fill_the_bound_on_links_lock_out_no_configured_peer(
    dialling: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours_module, "LINKS", 1)
    net = NodeNet()
    for name in ("stranger", "other stranger", "node", "peer"):
        net.add(name)
    net.join("stranger", "node")
    net.run(1, until=lambda: is_up(net, "node", "stranger"))
    net.join("other stranger", "node")
    net.run(5)
    assert len(net.hosts["node"].node.links) == 1
    assert counter(net, "node", "links_refused") > 0
    net.join("node", "peer")
    if not dialling:
        net.drop = lambda sender, receiver, data: sender == "node" and data[0] == HANDSHAKE_1
        net.add_peer("peer", url_of("node"))
    net.run(1, until=lambda: is_up(net, "node", "peer"))
    assert is_up(net, "node", "stranger")


def test_each_entry_of_the_peer_list_makes_room_for_one_link_beyond_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    net = ready_pair()
    monkeypatch.setattr(neighbours_module, "LINKS", 0)
    for seed in (71, 72, 73):
        net.stop("b")
        net.add("b", seed=seed)  # another key at the same address
        net.run(DEAD_LINK_KEPT_S / 4)
        assert len(net.hosts["a"].node.links) == 1
    assert counter(net, "a", "links_refused") > 0
    net.run(DEAD_LINK_KEPT_S + 30, until=lambda: net.hosts["b"].address in net.hosts["a"].node.links)


def test_a_goodbye_ends_the_handshakes_under_way_with_the_neighbour() -> None:
    net = ready_pair()
    net.drop = lambda sender, receiver, data: data[0] == HANDSHAKE_1
    b = net.hosts["b"].node
    b.neighbours.redial(link_of(net, "b", "a"), now=net.now)
    net.drain("b")
    assert net.hosts["a"].endpoint in b.dialler.remotes()
    net.hosts["a"].node.remove_peer(url_of("b"), now=net.now)
    net.drain("a")
    net.run(0.1)
    assert net.hosts["a"].endpoint not in b.dialler.remotes()
    net.drop = lambda sender, receiver, data: False
    net.run(10)
    assert not net.hosts["a"].node.links


def test_a_neighbour_that_said_goodbye_is_forgotten_soon_and_not_dialled() -> None:
    net = ready_pair()
    link = link_of(net, "b", "a")
    net.close("a")
    net.capture = []
    net.run(1)
    assert link.state is LinkState.DOWN
    net.run(ENDED_LINK_KEPT_S + 1)
    assert not net.hosts["b"].node.links
    assert handshakes_of(net, "b") == 0


def test_a_silent_neighbour_is_dialled_ever_more_rarely_and_then_forgotten() -> None:
    net = ready_pair()
    link = link_of(net, "b", "a")
    net.stop("a")
    net.capture = []
    net.run(DEAD_LINK_KEPT_S - 5)
    assert link.state is LinkState.DOWN
    assert 4 < handshakes_of(net, "b") < 9
    net.run(10)
    neighbours = net.hosts["b"].node.neighbours
    assert not neighbours.links
    assert link.address not in neighbours.redials


def test_a_neighbour_whose_link_is_down_is_dialled_at_once_and_again_when_the_network_changes() -> None:
    net = ready_pair()
    b, link = net.hosts["b"], link_of(net, "b", "a")  # a dials b: b has no entry for it
    net.stop("a")
    net.capture = []
    net.run(5, until=lambda: link.state is LinkState.DOWN)
    net.run(0.01)
    assert handshakes_of(net, "b") == 1
    net.run(DEAD_LINK_KEPT_S / 2)
    before = handshakes_of(net, "b")
    assert not b.node.dialler.remotes(), "the next dial is seconds away"
    b.running.act(b.node.network_changed)
    net.run(0.01)
    assert handshakes_of(net, "b") == before + 1


def test_a_link_that_never_came_up_is_forgotten_soon() -> None:
    net = NodeNet()
    net.add("a")
    net.add("b")
    net.drop = lambda sender, receiver, data: data[0] == HANDSHAKE_3
    net.join("a", "b")
    net.run(0.1)
    net.cut("a", "b")
    assert len(net.hosts["a"].node.links) == 1
    net.run(ENDED_LINK_KEPT_S + 1.5)
    assert not net.hosts["a"].node.links


def test_a_neighbour_whose_link_is_up_again_is_not_redialled() -> None:
    net = ready_pair()
    net.cut("a", "b")
    net.run(5)
    assert link_of(net, "b", "a").state is LinkState.DOWN
    net.mend("a", "b")
    net.run(20, until=lambda: is_up(net, "a", "b") and is_up(net, "b", "a"))
    net.run(7)
    net.capture = []
    net.run(60)
    assert handshakes_of(net, "a") == handshakes_of(net, "b") == 0


@pytest.mark.parametrize("is_found", [True, False], ids=["found by discovery too", "kept for nothing else"])
def test_an_automatic_peer_that_is_given_up_keeps_a_link_that_is_there_for_another_reason(is_found: bool) -> None:
    net = ready_pair()
    a, b = net.hosts["a"].node, net.hosts["b"]
    a.remove_peer(url_of("b"), now=net.now)
    net.add_peer("b", url_of("a"))
    net.run(2, until=lambda: is_up(net, "a", "b"))
    if is_found:
        [remote] = link_of(net, "a", "b").paths.remotes()
        a.discovery.by_endpoint[remote] = DiscoveredPeer(remote, 1, bytes(16), now=net.now)
    a.exchange.auto.kept[b.identity.address] = AutoPeer(known_peer(b.endpoint, b.identity.exchange_public_key), net.now)
    a.exchange.auto.wanted = 0
    link = link_of(net, "a", "b")
    net.run(2)
    assert not a.exchange.auto.kept
    assert (a.links.get(b.identity.address) is link) == is_found
