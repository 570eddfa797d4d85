"""A policy that changes ends the links and sessions that it forbids, and those alone."""

from mycelium.node.policing import end_forbidden
from mycelium.policy.base import DEFAULT_POLICY
from mycelium.policy.node_policy import NodePolicy
from mycelium.policy.settings import parse_policy
from sim.net.node_net import NodeNet
from tests.support.small_meshes import deliver, is_up, ping, ping_until_answered, reaches, received


def line_with_policy() -> tuple[NodeNet, NodePolicy]:
    """Returns a - b - c with sessions of b with both, and the policy of b."""
    net, policy = NodeNet(), NodePolicy(parse_policy("open"), is_private=False)
    for name in "abc":
        net.add(name, policy=policy if name == "b" else DEFAULT_POLICY)
    net.join("a", "b")
    net.join("c", "b")
    net.run(3)
    for name in "ac":
        deliver(net, name, "b")
    return net, policy


def follow(net: NodeNet, policy: NodePolicy, table: object) -> tuple[int, int]:
    node = net.hosts["b"].node
    policy.follow(parse_policy(table))
    ended = end_forbidden(node.neighbours, node.sessions, policy, now=net.now)
    net.drain("b")
    net.run(1)
    return ended


def test_a_forbidden_link_ends_and_the_other_stays() -> None:
    net, policy = line_with_policy()
    began = net.hosts["b"].node.links[net.hosts["c"].address]
    assert follow(net, policy, {"links": [f"deny from {net.hosts['a'].address_text}"]}) == (1, 0)
    net.run(5)
    assert net.hosts["a"].address not in net.hosts["b"].node.links
    assert net.hosts["b"].node.links[net.hosts["c"].address] is began
    assert is_up(net, "b", "c")
    assert not reaches(net, "a", "b")


def test_a_forbidden_session_ends_and_no_other_begins() -> None:
    net, policy = line_with_policy()
    assert follow(net, policy, {"sessions": [f"deny from {net.hosts['a'].address_text}"]}) == (0, 1)
    assert list(net.hosts["b"].node.sessions.by_peer) == [net.hosts["c"].address]
    before = len(received(net, "b"))
    ping(net, "a", "b")
    net.run(2)
    assert len(received(net, "b")) == before
    deliver(net, "c", "b")
    assert follow(net, policy, "open") == (0, 0)
    ping_until_answered(net, "a", "b", within=30, every=1)


def test_a_policy_that_forbids_nothing_ends_nothing() -> None:
    net, policy = line_with_policy()
    assert follow(net, policy, "closed") == (0, 0)
    assert is_up(net, "a", "b")
