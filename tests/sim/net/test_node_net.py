"""The network for tests and benchmarks: what its short names do."""

import pytest

from mycelium.node.event_kind import EventKind
from sim.net.network import url_of
from sim.net.node_net import NodeNet
from tests.support.small_meshes import deliver, is_up, ready_pair


def test_a_condition_ends_a_run_and_must_hold_in_time() -> None:
    net = NodeNet()
    net.add("a")
    net.add("b")
    net.join("a", "b")
    assert 0 < net.run(5, until=lambda: is_up(net, "a", "b")) < 1
    with pytest.raises(AssertionError, match="not within 2 s"):
        net.run(2, until=lambda: False)
    assert net.run(2) == pytest.approx(2)


def test_what_is_sent_is_captured_whether_it_is_dropped_or_not() -> None:
    net = ready_pair()
    net.capture = []
    net.drop = lambda sender, receiver, data: True
    net.run(1)
    assert {ends[:2] for ends in net.capture} == {("a", "b"), ("b", "a")}
    net.run(5)
    assert [entry.kind for entry in net.hosts["a"].deaths] == [EventKind.LINK_DOWN]
    assert [entry.kind for entry in net.hosts["a"].link_events] == [EventKind.LINK_UP, EventKind.LINK_DOWN]


def test_a_restarted_host_has_a_newer_epoch_and_has_delivered_nothing() -> None:
    net = ready_pair()
    net.add_peer("b", url_of("a"))
    before = net.hosts["b"].node
    assert net.hosts["b"].delivered
    host = net.restart("b")
    assert (host.epoch, host.delivered) == (2, [])
    assert host.node is not before
    assert list(host.node.peers.by_url) == [url_of("a")]
    net.close("b")
    assert list(net.hosts) == ["a"]
    assert net.restart("b").epoch == 3


def test_an_added_address_has_wires_of_its_own() -> None:
    net = ready_pair()
    net.add_address("b", "b2")
    net.cut("a", "b")
    assert [wire.is_open for wire in net.both("a", "b2")] == [True, True]
    net.mend("a", "b")
    net.move("b", "b3")
    assert net.hosts["b"].addresses == ["b3", "b2"]
    net.run(1)
    deliver(net, "a", "b")


def test_a_node_names_the_addresses_of_its_host_and_learns_of_others_with_a_change_of_the_network() -> None:
    net = NodeNet()
    outside = [net.add(name).node.outside for name in ("192.0.2.7", "a-name")]
    assert [[str(one) for one in each.candidates()] for each in outside] == [[url_of("192.0.2.7")], []]
    net.move("192.0.2.7", "198.51.100.7")
    assert [str(one) for one in outside[0].candidates()] == [url_of("198.51.100.7")]
