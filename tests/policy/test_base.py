"""A policy that refuses a node keeps it out at each gate: as a neighbour, as the other end of a session, packet by packet."""

from collections.abc import Sequence

from mycelium.packet.batch import Delivery
from mycelium.packet.ipv6 import ADDRESS_UNREACHABLE
from mycelium.policy.base import DefaultPolicy
from sim.net.node_net import NodeNet
from tests.support.small_meshes import counter, data_of, is_up, ping, ping_packet, reaches, received


class Refusing(DefaultPolicy):
    """Refuses the nodes in its sets, which a test fills."""

    def __init__(self) -> None:
        self.neighbours: set[bytes] = set()
        self.sessions: set[bytes] = set()
        self.packets: set[bytes] = set()
        self.admits = self._admits

    def allows_neighbour(self, node: bytes) -> bool:
        return node not in self.neighbours

    def allows_session(self, node: bytes, *, now: float) -> bool:
        return node not in self.sessions

    def _admits(self, node: bytes, arrived: Sequence[Delivery], /, *, now: float) -> list[Delivery]:
        return [one for one in arrived if node in self.packets and b"secret" in bytes(one[0])]


def guarded_line() -> tuple[NodeNet, Refusing]:
    """Returns a - b - c, joined but not run, and the policy of b."""
    net, policy = NodeNet(), Refusing()
    net.add("a")
    net.add("b", policy=policy)
    net.add("c")
    net.join("a", "b")
    net.join("c", "b")
    return net, policy


def test_a_refused_neighbour_gets_no_link_and_others_do() -> None:
    net, policy = guarded_line()
    policy.neighbours.add(net.hosts["a"].address)
    net.run(5)
    assert is_up(net, "c", "b")
    assert list(net.hosts["b"].node.links) == [net.hosts["c"].address]
    assert not reaches(net, "a", "c")
    assert counter(net, "b", "links_denied") > 0


def test_a_refused_neighbour_is_not_adopted_where_we_dial_it() -> None:
    net, policy = NodeNet(), Refusing()
    net.add("b", policy=policy)
    net.add("a")
    policy.neighbours.add(net.hosts["a"].address)
    net.join("b", "a")
    net.run(5)
    assert net.hosts["b"].node.links == {}
    assert counter(net, "b", "links_denied") > 0


def test_a_refused_node_gets_no_session_and_is_still_relayed_for() -> None:
    net, policy = guarded_line()
    policy.sessions.add(net.hosts["a"].address)
    net.run(5)
    ping(net, "a", "b")
    relayed = ping(net, "a", "c")
    net.run(2)
    assert net.hosts["b"].delivered == []
    assert received(net, "c") == [relayed]
    assert counter(net, "b", "sessions_denied") > 0
    assert net.hosts["a"].address not in net.hosts["b"].node.sessions.by_peer


def test_no_session_begins_with_a_refused_node_and_the_application_is_told() -> None:
    net, policy = guarded_line()
    policy.sessions.add(net.hosts["a"].address)
    net.run(5)
    ping(net, "b", "a")
    net.run(1)
    [(error, _, _)] = net.hosts["b"].delivered
    assert tuple(error[40:42]) == ADDRESS_UNREACHABLE
    assert net.hosts["a"].delivered == []
    assert counter(net, "b", "sessions_denied") == 1


def test_refused_packets_are_dropped_and_others_of_the_same_train_delivered() -> None:
    net, policy = guarded_line()
    net.run(5)
    policy.packets.add(net.hosts["a"].address)
    ping(net, "a", "b")
    net.run(1)
    net.hosts["b"].delivered.clear()
    plain, secret = (ping_packet(net, "a", "b", data) for data in (b"plain", b"secret"))
    net.send_batch("a", [(plain, 0, 0), (secret, 0, 0), (plain, 0, 0)])
    net.run(1)
    assert [data_of(packet) for packet, _, _ in net.hosts["b"].delivered] == [b"plain", b"plain"]
    assert counter(net, "b", "packets_denied") == 1


def test_a_filter_concerns_the_node_that_it_is_for() -> None:
    net, policy = guarded_line()
    net.run(5)
    policy.packets.add(net.hosts["a"].address)
    net.send("c", ping_packet(net, "c", "b", b"secret"))
    net.run(1)
    assert received(net, "b") == [b"secret"]


def test_the_default_lets_every_node_in_with_its_own_subnet_only() -> None:
    default, node = DefaultPolicy(), bytes(16)
    assert default.allows_neighbour(node)
    assert default.allows_session(node, now=0.0)
    assert default.admits is None
    assert default.departs is None
    assert not default.allows_prefix(node, 64, bytes(16))
