"""A node tells its driver by which indices its neighbours name it, whenever these change."""

import pytest

from mycelium.link.handshakes import INITIATOR_PATIENCE_S
from mycelium.link.slowed import SLOWED_S
from mycelium.outbox import IndicesChanged, Outbox
from tests.link.support import HERE, OWN, PEER, HandshakeEnd
from tests.support.small_meshes import link_of, ready_pair


def has_changed(outbox: Outbox) -> bool:
    """Tells whether the driver was told since the last call, once."""
    told = outbox.events.count(IndicesChanged())
    outbox.events.clear()
    return told == 1


def test_handshakes_tell_when_they_begin_and_end() -> None:
    end = HandshakeEnd(OWN)
    indices = [end.handshakes.begin(HERE, pin=None, now=0.0) for _ in range(2)]
    assert list(end.handshakes.own_indices) == indices
    assert has_changed(end.outbox)
    end.handshakes.abandon(indices[0])
    assert has_changed(end.outbox)
    end.handshakes.handle_timeout(now=2 * INITIATOR_PATIENCE_S)
    assert list(end.handshakes.own_indices) == []
    assert has_changed(end.outbox)


def test_an_answered_handshake_is_over_and_one_that_was_answered_is_a_strangers() -> None:
    ours, theirs = HandshakeEnd(OWN), HandshakeEnd(PEER)
    ours.handshakes.begin(HERE, pin=None, now=0.0)
    [(_, message_1)] = ours.take_datagrams()
    theirs.receive(message_1)
    assert list(theirs.handshakes.own_indices) == []
    assert not has_changed(theirs.outbox)
    [(_, message_2)] = theirs.take_datagrams()
    assert ours.receive(message_2) is not None
    assert list(ours.handshakes.own_indices) == []
    assert has_changed(ours.outbox)


def test_the_indices_of_a_node_are_those_of_its_links_keys_and_of_its_dials() -> None:
    net = ready_pair()
    node, link = net.hosts["a"].node, link_of(net, "a", "b")
    assert node.own_indices() == list(link.keypairs.by_index)
    node.add_peer("udp://192.0.2.99:9651", now=net.now)
    node.peer_resolved("udp://192.0.2.99:9651", [HERE._replace(host="192.0.2.99")], now=net.now)
    assert node.own_indices() == [*link.keypairs.by_index, *node.handshakes.own_indices]
    assert len(node.handshakes.own_indices) == 1


def test_a_link_tells_of_new_keys_and_of_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    net = ready_pair()
    node, link = net.hosts["a"].node, link_of(net, "a", "b")
    told: list[list[int]] = []
    monkeypatch.setattr(Outbox, "indices_changed", lambda outbox: told.append(node.own_indices()))
    node.neighbours.redial(link, now=net.now)
    net.run(2)
    assert told[-1] == list(link.keypairs.by_index)
    assert len(told[-1]) == 2
    node.neighbours.remove(link, "over", now=net.now)
    assert told[-1] == node.own_indices() == []


def test_a_neighbour_that_is_slowed_is_no_longer_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.link.budgets.PLAIN_FRAMES_AT_ONCE", 50)
    monkeypatch.setattr("mycelium.link.budgets.PLAIN_FRAMES_PER_SECOND", 10)
    net = ready_pair()
    node, link = net.hosts["a"].node, link_of(net, "a", "b")
    assert node.own_indices() == list(link.keypairs.by_index)
    for _ in range(100):
        link_of(net, "b", "a").frames.send(99, memoryview(bytearray(16)), wants_ack=False, now=net.now)
    net.hosts["b"].running.flush()
    net.run(0.5)
    assert node.own_indices() == []
    net.run(2 * SLOWED_S)
    assert node.own_indices() == list(link.keypairs.by_index)
