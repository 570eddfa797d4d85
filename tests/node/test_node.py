"""Whole nodes in virtual time: links form, routes appear, packets cross end to end."""

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
