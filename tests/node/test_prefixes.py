"""Addresses in a prefix that a node announces: reached through it where the policy authorises it, nowhere else."""

from ipaddress import IPv6Address

from msgspec.structs import replace

from mycelium.packet.ipv6 import NO_ROUTE, SOURCE_POLICY, echo_request
from mycelium.policy.base import DefaultPolicy
from mycelium.wire.announcement import Prefix
from sim.net.node_net import NodeNet
from tests.support.small_meshes import counter, data_of, is_whole, ping_packet

PREFIX = (16, IPv6Address("fd00::").packed)
BEHIND_B = IPv6Address("fd00::7").packed


class Authorising(DefaultPolicy):
    """Allows some prefixes of some nodes."""

    def __init__(self) -> None:
        self.allowed: set[tuple[bytes, Prefix]] = set()

    def allows_prefix(self, node: bytes, length: int, address: bytes) -> bool:
        return (node, (length, address)) in self.allowed


def line(*, authorised: bool) -> NodeNet:
    """Returns a - r - b, in which b announces a prefix; a authorises it or not, r does not."""
    net, policy = NodeNet(), Authorising()
    net.add("a", policy=policy)
    net.add("r")
    net.add("b", prefixes=(PREFIX,))
    if authorised:
        policy.allowed.add((net.hosts["b"].address, PREFIX))
    net.join("a", "r")
    net.join("b", "r")
    net.run(10, until=lambda: is_whole(net))
    net.run(1)
    return net


def icmp_kind(packet: bytes) -> tuple[int, ...]:
    return tuple(packet[40:42])


def test_an_address_in_an_authorised_prefix_is_reached_through_its_node_and_answers() -> None:
    net = line(authorised=True)
    a, b = net.hosts["a"], net.hosts["b"]
    net.send("a", echo_request(a.address, BEHIND_B, 7, 1, b"there"))
    net.run(1)
    assert [data_of(packet) for packet, _, _ in b.delivered] == [b"there"]
    net.send("b", echo_request(BEHIND_B, a.address, 7, 1, b"back"))
    net.run(1)
    assert [data_of(packet) for packet, _, _ in a.delivered] == [b"back"]


def test_without_authority_there_is_no_route_and_packets_from_the_prefix_are_dropped() -> None:
    net = line(authorised=False)
    a, b = net.hosts["a"], net.hosts["b"]
    net.send("a", echo_request(a.address, BEHIND_B, 7, 1, b"there"))
    net.run(1)
    [(error, _, _)] = a.delivered
    assert icmp_kind(error) == NO_ROUTE
    net.send("b", echo_request(BEHIND_B, a.address, 7, 1, b"back"))
    net.run(1)
    assert (len(a.delivered), b.delivered) == (1, [])
    assert counter(net, "a", "packets_foreign") == 1
    assert counter(net, "a", "routing_prefixes_refused") > 0


def test_nobody_sends_from_a_prefix_that_another_node_announces() -> None:
    net = line(authorised=True)
    net.send("a", echo_request(BEHIND_B, net.hosts["b"].address, 7, 1, b"forged"))
    net.run(1)
    [(error, _, _)] = net.hosts["a"].delivered
    assert icmp_kind(error) == SOURCE_POLICY


def test_a_nodes_own_subnet_is_never_taken_by_a_prefix() -> None:
    net, policy = NodeNet(), Authorising()
    net.add("a", policy=policy)
    net.add("r")
    everything = (7, IPv6Address("400::").packed), (64, net.hosts["r"].address)
    b = net.add("b", prefixes=everything)
    policy.allowed |= {(b.address, one) for one in everything}
    net.join("a", "r")
    net.join("b", "r")
    net.run(10, until=lambda: is_whole(net))
    net.send("a", ping_packet(net, "a", "r", b"to r"))
    second = net.hosts["r"].address[:8] + bytes(8)
    net.send("a", echo_request(net.hosts["a"].address, second, 7, 1, b"to its subnet"))
    net.run(1)
    assert [data_of(packet) for packet, _, _ in net.hosts["r"].delivered] == [b"to r", b"to its subnet"]
    assert net.hosts["b"].delivered == []
    assert net.hosts["a"].node.routing.forwarding.owner_of(second) == net.hosts["r"].address


def test_a_prefix_that_is_no_longer_announced_is_given_up() -> None:
    net = line(authorised=True)
    forwarding = net.hosts["a"].node.routing.forwarding
    assert forwarding.owner_of(BEHIND_B) == net.hosts["b"].address
    net.hosts["b"].settings = replace(net.hosts["b"].settings, prefixes=())
    net.restart("b")
    net.run(5)
    assert forwarding.owner_of(BEHIND_B) is None
