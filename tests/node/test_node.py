"""Whole nodes in virtual time: links form, routes appear, packets cross end to end."""

from random import Random

import pytest

from mycelium.endpoint import Endpoint
from mycelium.node.node import Node
from mycelium.wire.datagram import FRAME, HANDSHAKE_1, HANDSHAKE_3
from sim.net.driver import VirtualDriver
from sim.net.node_net import NodeNet
from tests.support.small_meshes import counter, is_up, ping_packet, ready_line


def test_a_packet_crosses_two_relays() -> None:
    net = ready_line("abcd")
    packet = ping_packet(net, "a", "d", b"x" * 56)
    net.send("a", packet)
    net.run(2, until=lambda: bool(net.hosts["d"].delivered))
    delivered = net.hosts["d"].delivered[0][0]
    assert delivered[:7] == packet[:7]
    assert delivered[7] == packet[7] - 2
    assert delivered[8:] == packet[8:]


def test_what_overtakes_the_last_message_of_a_handshake_is_kept_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    receive = Node.receive
    kinds: list[int] = []

    def reordered(
        node: Node, endpoint: Endpoint, burst: memoryview, segment_size: int, *, now: float, waited_s: float = 0.0
    ) -> None:
        datagrams = [burst[start : start + segment_size] for start in range(0, len(burst), segment_size)]
        for datagram in reversed(datagrams):
            if node is net.hosts["b"].node:
                kinds.append(datagram[0])
            receive(node, endpoint, datagram, segment_size, now=now, waited_s=waited_s)

    monkeypatch.setattr(Node, "receive", reordered)
    net = NodeNet()
    net.add("a")
    net.add("b")
    net.join("a", "b", 0.005)
    net.run(0.2, until=lambda: HANDSHAKE_3 in kinds)
    assert kinds == [HANDSHAKE_1, FRAME, HANDSHAKE_3, FRAME]  # the frame again, once there is a link
    net.run(0.02, until=lambda: is_up(net, "a", "b"))  # well before message 3 would be sent again
    assert counter(net, "b", "datagrams_unknown") == 0


def test_nodes_with_another_network_key_or_name_never_link_nor_hear_of_each_other() -> None:
    for key, name in ((b"k" * 32, bytes(8)), (bytes(32), b"network2")):
        net = NodeNet()
        net.add("a")
        net.add("b", psk=key, network_id=name)
        net.join("a", "b", 0.005)
        net.run(15)
        for host in net.hosts.values():
            assert (host.link_events, host.node.routing.forwarding.next_hop) == ([], {})


def test_the_timer_is_never_late_for_routing_or_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    flush = VirtualDriver.flush

    def checked(driver: VirtualDriver) -> None:
        flush(driver)
        node = driver.node
        assert node.next_deadline() <= min(node.routing.next_deadline(), node.sessions.next_deadline())

    monkeypatch.setattr(VirtualDriver, "flush", checked)
    net, dice = ready_line("abcd"), Random(1)
    for _ in range(20):
        one, other = dice.sample("abcd", 2)
        net.send(one, ping_packet(net, one, other, b"x" * 56))
        host = net.hosts[one]
        host.running.act(
            dice.choice([host.node.network_changed, host.node.routing.withdraw, host.node.routing.readvertise])
        )
        net.run(dice.uniform(0, 1))
