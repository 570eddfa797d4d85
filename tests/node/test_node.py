"""Whole nodes in virtual time: links form, routes appear, packets cross end to end."""

from mycelium.wire.ipv6 import echo_request
from tests.support.node_net import NodeNet


def line(net: NodeNet, names: str, delay: float = 0.005) -> None:
    for name in names:
        net.add(name)
    for one, other in zip(names, names[1:], strict=False):
        net.join(one, other, delay)


def ping(net: NodeNet, source: str, destination: str, sequence: int = 1) -> bytes:
    packet = echo_request(net.hosts[source].address, net.hosts[destination].address, 7, sequence, b"x" * 56)
    net.send(source, packet)
    return packet


def reaches(net: NodeNet, source: str, destination: str) -> bool:
    return net.hosts[destination].address in net.hosts[source].node.routing.forwarding.next_hop


def test_a_packet_crosses_two_relays() -> None:
    net = NodeNet()
    line(net, "abcd")
    net.run(5, until=lambda: reaches(net, "a", "d") and reaches(net, "d", "a"))
    packet = ping(net, "a", "d")
    net.run(2, until=lambda: bool(net.hosts["d"].delivered))
    delivered = net.hosts["d"].delivered[0][0]
    assert delivered[:7] == packet[:7]
    assert delivered[7] == packet[7] - 2
    assert delivered[8:] == packet[8:]
