"""Packets that the policy does not let in: their senders are told, at a bounded rate, and by whom."""

from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6
from scapy.packet import Raw

from mycelium.limits import DENIED_AT_ONCE, REFUSALS_PER_SECOND
from mycelium.packet.ipv6 import ADMIN_PROHIBITED
from mycelium.policy.node_policy import NodePolicy
from mycelium.policy.settings import parse_policy
from mycelium.routing.excess import DENIED
from sim.net.node_net import NodeNet
from tests.dataplane.support import errors
from tests.support.small_meshes import counter, deliver, received


def guarded_pair() -> NodeNet:
    """Returns a and b with a session, both closed."""
    net = NodeNet()
    for name in "ab":
        net.add(name, policy=NodePolicy(parse_policy("closed"), is_private=False))
    net.join("a", "b")
    net.run(3)
    deliver(net, "a", "b")
    for host in net.hosts.values():
        host.delivered.clear()
    return net


def packet(net: NodeNet, one: str, other: str, layer: TCP | UDP) -> bytes:
    return bytes(IPv6(src=net.hosts[one].address_text, dst=net.hosts[other].address_text) / layer / Raw(b"data"))


def test_the_sender_is_told_who_forbids_it_and_his_policy_lets_that_in() -> None:
    net = guarded_pair()
    denied = packet(net, "a", "b", TCP(sport=5_000, dport=22, flags="S"))
    net.send("a", denied)
    net.run(1)
    assert net.hosts["b"].delivered == []
    (error,) = errors(net, "a")
    assert (error[ICMPv6DestUnreach].type, error[ICMPv6DestUnreach].code) == ADMIN_PROHIBITED
    assert error.src == net.hosts["b"].address_text
    assert bytes(error[ICMPv6DestUnreach].payload)[40:] == denied[40:]
    assert (counter(net, "b", "packets_denied"), counter(net, "b", "refusals_sent")) == (1, 1)


def test_answers_arrive_and_other_packets_of_their_train_do_not() -> None:
    net = guarded_pair()
    net.send("a", packet(net, "a", "b", UDP(sport=5_000, dport=53)))
    net.run(1)
    answer, other = (packet(net, "b", "a", UDP(sport=53, dport=port)) for port in (5_000, 5_001))
    net.hosts["a"].delivered.clear()
    net.send_batch("b", [(answer, 0, 0), (other, 0, 0), (answer, 0, 0)])
    net.run(1)
    arrived = [bytes(one) for one, _, _ in net.hosts["a"].delivered]
    assert [one[8:] for one in arrived] == [answer[8:]] * 2
    assert counter(net, "a", "packets_denied") == 1


def test_so_many_refusals_a_second_are_told() -> None:
    net = guarded_pair()
    flood = [(packet(net, "a", "b", UDP(sport=port, dport=53)), 0, 0) for port in range(1, 51)]
    net.send_batch("a", flood)
    net.run(0.5)
    assert counter(net, "b", "packets_denied") == 50
    assert counter(net, "b", "refusals_sent") == REFUSALS_PER_SECOND


def test_errors_draw_no_errors() -> None:
    net = guarded_pair()
    error = (
        IPv6(src=net.hosts["a"].address_text, dst=net.hosts["b"].address_text) / ICMPv6DestUnreach() / Raw(b"?" * 60)
    )
    net.send("a", bytes(error))
    net.run(1)
    assert (counter(net, "b", "packets_denied"), counter(net, "b", "refusals_sent")) == (1, 0)
    assert received(net, "b") == []


def test_who_sends_without_end_what_is_not_let_in_is_named() -> None:
    net = guarded_pair()
    node, denied = net.hosts["b"].node, memoryview(packet(net, "a", "b", UDP(dport=53)))
    refusals, sender = node.receiving._refusals, net.hosts["a"].address
    for _ in range(DENIED_AT_ONCE):
        refusals.tell(sender, denied, now=net.now)
    assert node.routing.excesses.take() == []
    refusals.tell(sender, denied, now=net.now)
    assert node.routing.excesses.take() == [(sender, DENIED)]
