"""Where only deadlines have come that have moved later, they are set again and nothing else is done."""

from math import inf

import pytest

from mycelium.node.node import Node
from sim.net.node_net import NodeNet


@pytest.fixture
def net() -> NodeNet:
    made = NodeNet()
    for name in "abc":
        made.add(name)
    made.join("a", "b", 0.01)
    made.join("a", "c", 0.01)
    made.run(5)
    return made


@pytest.fixture
def node(net: NodeNet) -> Node:
    """Returns a node with two links, none of whose deadlines have come; what else it does is in the fixture `done`."""
    made: Node = net.hosts["a"].node
    while made.next_deadline() <= net.now:
        made.handle_timeout(now=net.now)
    return made


@pytest.fixture
def done(node: Node, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []

    def next_deadline() -> float:
        made.append("routing looked at")
        return inf

    monkeypatch.setattr(node.routing, "next_deadline", next_deadline)
    return made


def bring_forward(node: Node, *, now: float) -> list[float]:
    """Has the deadlines of all links come, though nothing is due there; returns when that is."""
    for link in node.links.values():
        link.frames.due_at = 1e9
        link.frames.arm(now)
    return [link.next_deadline() for link in node.links.values()]


def test_deadlines_that_have_moved_later_are_set_again(net: NodeNet, node: Node, done: list[str]) -> None:
    true = bring_forward(node, now=net.now)
    assert min(true) > net.now
    assert node.next_deadline() == net.now
    node.handle_timeout(now=net.now)
    assert not done
    assert [link.frames.due_at for link in node.links.values()] == true
    assert node.next_deadline() > net.now


def test_whatever_is_due_beside_them_is_done(net: NodeNet, node: Node, done: list[str]) -> None:
    bring_forward(node, now=net.now)
    node._deadlines.set("peering", net.now)
    node.handle_timeout(now=net.now)
    assert done


def test_a_link_that_wants_something_has_all_looked_at(net: NodeNet, node: Node, done: list[str]) -> None:
    bring_forward(node, now=net.now)
    first, *_ = node.links.values()
    first.costing._burst.due_at = net.now
    sent = len(node.outbox.transmits)
    node.handle_timeout(now=net.now)
    assert done
    assert len(node.outbox.transmits) > sent
    assert all(link.frames.due_at > net.now for link in node.links.values())


def test_a_call_before_anything_is_due_looks_at_all(net: NodeNet, node: Node, done: list[str]) -> None:
    node.handle_timeout(now=net.now)
    assert done
