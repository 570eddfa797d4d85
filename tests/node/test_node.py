"""Whole nodes in virtual time: links form, routes appear, packets cross end to end."""

from sim.net.node_net import NodeNet
from tests.support.small_meshes import ping_packet, ready_line


def test_a_packet_crosses_two_relays() -> None:
    net = ready_line("abcd")
    packet = ping_packet(net, "a", "d", b"x" * 56)
    net.send("a", packet)
    net.run(2, until=lambda: bool(net.hosts["d"].delivered))
    delivered = net.hosts["d"].delivered[0][0]
    assert delivered[:7] == packet[:7]
    assert delivered[7] == packet[7] - 2
    assert delivered[8:] == packet[8:]


def test_nodes_with_another_network_key_or_name_never_link_nor_hear_of_each_other() -> None:
    for key, name in ((b"k" * 32, bytes(8)), (bytes(32), b"network2")):
        net = NodeNet()
        net.add("a")
        net.add("b", psk=key, network_id=name)
        net.join("a", "b", 0.005)
        net.run(15)
        for host in net.hosts.values():
            assert (host.link_events, host.node.routing.forwarding.next_hop) == ([], {})
