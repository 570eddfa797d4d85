"""From TUN to the links: which packets leave, for which node, in which order."""

from scapy.layers.inet6 import ICMPv6DestUnreach

from mycelium.packet.ipv6 import NO_ROUTE, PAYLOAD_LENGTH, SOURCE_POLICY
from mycelium.wire.train import SESSION_COOKIE
from sim.net.node_net import NodeNet
from tests.dataplane.support import errors, ready
from tests.support.small_meshes import counter, deliver, ping_packet, ready_line, received


def test_a_destination_that_nobody_has_is_no_route_at_once() -> None:
    net = ready("ab")
    packet = bytearray(ping_packet(net, "a", "b", b""))
    packet[24:40] = bytes.fromhex("0555") + bytes(13) + b"\1"
    net.send("a", bytes(packet))
    (error,) = errors(net, "a")
    assert (error[ICMPv6DestUnreach].type, error[ICMPv6DestUnreach].code) == NO_ROUTE
    assert error.src == net.hosts["a"].address_text
    assert counter(net, "a", "packets_no_route") == 1


def test_a_train_besides_the_one_on_the_route_goes_over_the_other_ways_over_and_over() -> None:
    net = NodeNet()
    for name in "apqrt":
        net.add(name)
    for delay_s, relay in ((0.001, "p"), (0.010, "q"), (0.020, "r")):
        net.join("a", relay, delay_s)
        net.join(relay, "t", delay_s)
    net.run(10)
    sending, node = net.hosts["a"].node.sending, net.hosts["t"].address

    def over(turn: int) -> str:
        net.capture = []
        assert sending.send_train(node, SESSION_COOKIE, 0, 0, b"", turn=turn, now=net.now)
        net.drain("a")
        [(_, receiver, _)] = [one for one in net.capture if one[0] == "a"]
        return receiver

    assert [over(turn) for turn in range(7)] == list("pqrqrqr")
    for relay in "qr":
        net.stop(relay)
    net.run(5)
    net.capture = []
    assert not sending.send_train(node, SESSION_COOKIE, 0, 0, b"", turn=1, now=net.now)
    assert not sending.send_train(bytes(16), SESSION_COOKIE, 0, 0, b"", turn=1, now=net.now)
    net.drain("a")
    assert net.capture == []


def test_a_source_that_is_not_ours_is_refused_as_by_policy() -> None:
    net = ready("abc")
    packet = bytearray(ping_packet(net, "b", "c", b"spoofed"))
    net.send("a", bytes(packet))
    net.run(1)
    (error,) = errors(net, "a")
    assert (error[ICMPv6DestUnreach].type, error[ICMPv6DestUnreach].code) == SOURCE_POLICY
    assert error.dst == net.hosts["b"].address_text
    assert received(net, "c") == []
    assert counter(net, "a", "packets_foreign_source") == 1


def test_packets_for_two_destinations_and_classes_in_one_batch_keep_their_order() -> None:
    net = ready_line("abcd")
    deliver(net, "a", "c")
    deliver(net, "a", "d")
    packets: list[bytes] = []
    for number in range(40):
        packet = bytearray(ping_packet(net, "a", "cd"[number % 3 == 0], bytes([number]) * 200))
        packet[0] |= number % 2  # traffic class
        packet[7] = 64 - number % 5
        packets.append(bytes(packet))
    net.send_batch("a", [(packet, 0, 0) for packet in packets])
    net.run(1)
    for name, hops in (("c", 1), ("d", 2)):
        ours = [packet for packet in packets if packet[24:40] == net.hosts[name].address]
        arrived = [packet for packet, _, _ in net.hosts[name].delivered[1:]]
        assert [packet[:7] + packet[8:] for packet in arrived] == [packet[:7] + packet[8:] for packet in ours]
        assert [packet[7] for packet in arrived] == [packet[7] - hops for packet in ours]


def test_a_packet_whose_length_field_lies_is_passed_on_as_it_is() -> None:
    net = ready("ab")
    packet = bytearray(ping_packet(net, "a", "b", b"x" * 100))
    packet[PAYLOAD_LENGTH : PAYLOAD_LENGTH + 2] = b"\0\1"
    net.send("a", bytes(packet))
    net.run(1)
    assert [delivered for delivered, _, _ in net.hosts["b"].delivered] == [bytes(packet)]


def test_a_nodes_own_address_is_that_nodes_whoever_had_its_subnet_first() -> None:
    net = ready("abc")
    a, b, c = (net.hosts[name] for name in "abc")
    a.node.routing.forwarding.owner[c.address[:8]] = b.address
    net.send("a", ping_packet(net, "a", "c", b"to c"))
    net.run(1)
    assert received(net, "c") == [b"to c"]
    assert received(net, "b") == []
