"""A node floods another one, whose policy lets one port in, with packets of all kinds that it does not let in."""

from random import Random

import pytest
from scapy.layers.inet import UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6, IPv6ExtHdrFragment
from scapy.packet import Packet, Raw

from mycelium.limits import REFUSALS_PER_SECOND
from mycelium.policy import flows as flows_module
from mycelium.policy.node_policy import NodePolicy
from mycelium.policy.settings import parse_policy
from sim.net.node_net import NodeNet
from tests.support.small_meshes import counter, deliver

PACKETS = 400
SHARE = 500  # of flows
SECONDS = 2


def guarded_line() -> tuple[NodeNet, NodePolicy]:
    """Returns v - b - a with sessions of b with both, and the policy of b."""
    net, policy = NodeNet(), NodePolicy(parse_policy({"packets": ["allow udp 53"]}), is_private=False)
    for name in "va":
        net.add(name)
    net.add("b", policy=policy)
    for name in "va":
        net.join(name, "b")
    net.run(3)
    for name in "va":
        deliver(net, name, "b")
    return net, policy


def between(net: NodeNet, one: str, other: str) -> IPv6:
    return IPv6(src=net.hosts[one].address_text, dst=net.hosts[other].address_text)


def denied(net: NodeNet, random: Random) -> Packet:
    """Returns a packet of one kind or another that b does not let in."""
    port = random.randrange(100, 65_536)
    head, datagram = between(net, "v", "b"), UDP(sport=random.randrange(1, 65_536), dport=port) / Raw(bytes(20))
    match random.randrange(4):
        case 0:
            return head / datagram
        case 1:
            return head / IPv6ExtHdrFragment(id=port, offset=10, nh=17) / Raw(bytes(100))
        case 2:
            return head / ICMPv6DestUnreach() / between(net, "b", "a") / datagram
    return IPv6(src=head.src, dst=head.dst, nh=random.choice((0, 6, 43, 44, 47, 58, 60))) / Raw(random.randbytes(8))


def test_they_leave_nothing_behind_and_others_are_served() -> None:
    net, policy = guarded_line()
    asked, answer = (
        bytes(between(net, one, other) / UDP(sport=source, dport=destination) / Raw(b"data"))
        for one, other, source, destination in (("b", "a", 5_000, 7), ("a", "b", 7, 5_000))
    )
    net.send("b", asked)
    net.run(0.1)
    before = len(policy.flows)
    random = Random(1)
    for _ in range(SECONDS):
        for _ in range(PACKETS // SECONDS // 50):
            net.send_batch("v", [(bytes(denied(net, random)), 0, 0) for _ in range(50)])
        net.run(1)
    assert counter(net, "b", "packets_denied") == PACKETS
    assert len(policy.flows) == before
    assert len(policy._fragmented) <= 1
    assert counter(net, "b", "refusals_sent") <= (SECONDS + 1) * REFUSALS_PER_SECOND
    net.hosts["b"].delivered.clear()
    net.send("a", answer)
    net.run(1)
    assert len(net.hosts["b"].delivered) == 1


def test_who_fills_his_share_of_flows_takes_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    net, policy = guarded_line()
    monkeypatch.setattr(flows_module, "FLOWS_PER_NODE", SHARE)
    head = bytes(between(net, "v", "b") / UDP(dport=53))
    for port in range(1, 3 * SHARE, 50):
        flood = [head[:40] + number.to_bytes(2, "big") + head[42:] for number in range(port, port + 50)]
        net.send_batch("v", [(packet, 0, 0) for packet in flood])
    net.run(1)
    assert len(policy.flows) <= SHARE
    net.send("b", bytes(between(net, "b", "a") / UDP(sport=5_000, dport=7)))
    net.send("a", bytes(between(net, "a", "b") / UDP(sport=9, dport=53)))
    net.run(1)
    assert sum(one.node == net.hosts["a"].address for one in policy.flows.departing[17].values()) == 2
