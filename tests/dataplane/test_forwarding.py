"""Packets across relays: order, hop limits, errors that applications understand, and packets that must not pass."""

import pytest
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoRequest, ICMPv6TimeExceeded, IPv6

from mycelium.limits import ICMP_ERRORS_PER_SECOND
from mycelium.packet.ipv6 import HOP_LIMIT_EXCEEDED, NO_ROUTE, PAYLOAD_LENGTH, SOURCE_POLICY, icmpv6_error
from mycelium.session.session import Session
from mycelium.wire.train import (
    DATA,
    ITEM_HEADER,
    ITEM_REPORT,
)
from sim.net.node_net import NodeNet
from tests.support.small_meshes import (
    counter,
    data_of,
    deliver,
    link_of,
    ping,
    ping_packet,
    ready_line,
    received,
    train_kinds,
)


def ready(names: str) -> NodeNet:
    """Returns a line whose ends have a session."""
    net = ready_line(names)
    deliver(net, names[0], names[-1])
    for host in net.hosts.values():
        host.delivered.clear()
    return net


def errors(net: NodeNet, name: str) -> list[IPv6]:
    """Returns what a host's applications got, dissected, having checked every checksum."""
    packets = [IPv6(packet) for packet, _, _ in net.hosts[name].delivered]
    for packet, (raw, _, _) in zip(packets, net.hosts[name].delivered, strict=True):
        del packet.payload.cksum
        assert bytes(packet) == raw
    return [IPv6(raw) for raw, _, _ in net.hosts[name].delivered]


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_relay_n_answers_for_hop_limit_n(hops: int) -> None:
    net = ready("abcde")
    data = ping(net, "a", "e", hop_limit=hops)
    net.run(1)
    (error,) = errors(net, "a")
    relay = net.hosts["abcde"[hops]]
    assert error.src == relay.address_text
    assert error.dst == net.hosts["a"].address_text
    assert (error[ICMPv6TimeExceeded].type, error[ICMPv6TimeExceeded].code) == HOP_LIMIT_EXCEEDED
    quoted = error[ICMPv6TimeExceeded].payload
    assert quoted.dst == net.hosts["e"].address_text
    assert quoted.hlim == hops
    assert quoted[ICMPv6EchoRequest].id == 7
    assert quoted[ICMPv6EchoRequest].data == data
    assert received(net, "e") == []


def test_the_least_hop_limit_that_arrives_is_the_number_of_links() -> None:
    net = ready("abcde")
    data = ping(net, "a", "e", hop_limit=4)
    net.run(1)
    assert received(net, "e") == [data]
    assert net.hosts["e"].delivered[0][0][7] == 1


def test_a_relay_without_a_route_says_so_to_the_application() -> None:
    net = ready("abc")
    del net.hosts["b"].node.routing.forwarding.next_hop[net.hosts["c"].address]
    ping(net, "a", "c")
    net.run(1)
    (error,) = errors(net, "a")
    assert error.src == net.hosts["b"].address_text
    assert (error[ICMPv6DestUnreach].type, error[ICMPv6DestUnreach].code) == NO_ROUTE
    assert error[ICMPv6DestUnreach].payload.dst == net.hosts["c"].address_text
    assert counter(net, "b", "trains_no_route") == 1


def test_a_destination_that_nobody_has_is_no_route_at_once() -> None:
    net = ready("ab")
    packet = bytearray(ping_packet(net, "a", "b", b""))
    packet[24:40] = bytes.fromhex("0555") + bytes(13) + b"\1"
    net.send("a", bytes(packet))
    (error,) = errors(net, "a")
    assert (error[ICMPv6DestUnreach].type, error[ICMPv6DestUnreach].code) == NO_ROUTE
    assert error.src == net.hosts["a"].address_text
    assert counter(net, "a", "packets_no_route") == 1


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


def test_no_error_answers_an_error() -> None:
    net = ready("abc")
    a, c = net.hosts["a"], net.hosts["c"]
    error = bytearray(icmpv6_error(NO_ROUTE, a.address, c.address, ping_packet(net, "c", "a", b"")))
    error[7] = 1
    net.send("a", bytes(error))
    net.run(1)
    assert a.delivered == []


def test_errors_to_applications_are_limited() -> None:
    net = ready("ab")
    packet = bytearray(ping_packet(net, "a", "b", b""))
    packet[24:40] = bytes.fromhex("0555") + bytes(13) + b"\1"
    net.run(2)
    for _ in range(10):
        net.send_batch("a", [(bytes(packet), 0, 0)] * 50)
    assert len(net.hosts["a"].delivered) == ICMP_ERRORS_PER_SECOND


# -- packets that must not pass ----------------------------------------------------------------------------------------


def send_items(net: NodeNet, items: bytes) -> None:
    """Has a seal these bytes for c as the items of a train."""
    node = net.hosts["a"].node
    session = node.sessions.by_peer[net.hosts["c"].address]
    key = (0x60, 64, net.hosts["c"].address)
    node.sending._seal_train((link_of(net, "a", "b"), 0), session, key, memoryview(items), 0, net.now)
    node.sending.flush(net.now)
    net.drain("a")
    net.run(1)


def item(packet: bytes, *, word: int | None = None) -> bytes:
    """Returns a packet as an item."""
    return ITEM_HEADER.pack(len(packet) << 8 if word is None else word, 0) + packet


@pytest.mark.parametrize(("source", "destination"), ["bc", "ab", "ca"])
def test_a_packet_with_foreign_addresses_inside_is_dropped_and_counted(source: str, destination: str) -> None:
    net = ready("abc")
    send_items(net, item(ping_packet(net, source, destination, b"evil")))
    assert net.hosts["c"].delivered == []
    assert counter(net, "c", "packets_foreign") == 1


def test_what_is_not_ipv6_is_dropped_and_counted() -> None:
    net = ready("abc")
    packet = bytearray(ping_packet(net, "a", "c", b"evil"))
    packet[0] = 0x45
    send_items(net, item(bytes(packet)))
    assert net.hosts["c"].delivered == []
    assert counter(net, "c", "packets_foreign") == 1


def test_bad_items_cost_only_themselves() -> None:
    net = ready("abc")
    good = item(ping_packet(net, "a", "c", b"good"))
    send_items(net, item(b"short") + good)
    send_items(net, item(b"unknown type", word=12 << 8 | 0x70) + good)
    send_items(net, item(b"rep", word=3 << 8 | ITEM_REPORT) + good)
    send_items(net, good + item(b"", word=0xFFFFFF << 8))
    send_items(net, good + b"\1\2\3")
    assert received(net, "c") == [b"good"] * 5
    assert counter(net, "c", "trains_malformed") == 4
    assert counter(net, "c", "items_unknown") == 1


def test_each_item_goes_to_the_handler_of_its_type_with_the_session_it_came_in() -> None:
    net = ready("abc")
    taken = []

    def take(session: Session, body: memoryview, *, now: float) -> None:
        taken.append((session.peer, bytes(body), now))

    net.hosts["c"].node.receiving.item_handlers[0x70] = take
    send_items(net, item(b"for us", word=6 << 8 | 0x70) + item(ping_packet(net, "a", "c", b"packet")))
    [(peer, body, now)] = taken
    assert (peer, body) == (net.hosts["a"].address, b"for us")
    assert net.now - 1 <= now <= net.now
    assert received(net, "c") == [b"packet"]
    assert counter(net, "c", "items_unknown") == 0


def test_a_lying_report_does_no_harm() -> None:
    net = ready("abc")
    for opened, newest in ((2**64 - 1, 2**64 - 1), (0, 2**63), (2**40, 1)):
        report = newest.to_bytes(8, "big") + opened.to_bytes(8, "big")
        send_items(net, item(report, word=16 << 8 | ITEM_REPORT))
    deliver(net, "c", "a")


# -- order -------------------------------------------------------------------------------------------------------------


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


def test_trains_of_one_frame_part_at_a_relay() -> None:
    net = NodeNet()
    for name in "abcd":
        net.add(name)
    for one, other in ("ab", "bc", "bd"):
        net.join(one, other)
    net.run(3)
    deliver(net, "a", "c")
    deliver(net, "a", "d")
    deliver(net, "a", "b")
    packets = [ping_packet(net, "a", "bcdbdc"[number % 6], bytes([number]) * 90) for number in range(30)]
    net.send_batch("a", [(packet, 0, 0) for packet in packets])
    net.run(1)
    for name in "bcd":
        ours = [data_of(packet) for packet in packets if packet[24:40] == net.hosts[name].address]
        assert received(net, name)[1:] == ours


def test_a_relay_sees_no_packet_and_changes_nothing_but_the_hop_limit() -> None:
    net = ready("abcd")
    before, after = train_kinds(net, "b"), train_kinds(net, "d")
    secret = b"nobody on the way may read this"
    net.send("a", ping_packet(net, "a", "d", secret))
    net.run(1)
    (sent,) = [train for kind, train in before if kind == DATA]
    (arrived,) = [train for kind, train in after if kind == DATA]
    assert secret not in sent
    assert arrived[0] == sent[0] - 2
    assert arrived[1:] == sent[1:]


def test_the_datagrams_on_a_wire_name_no_node() -> None:
    net = ready("abc")
    net.capture = []
    ping(net, "a", "c")
    net.run(1)
    wire = b"".join(data for _, _, data in net.capture)
    for host in net.hosts.values():
        assert host.address not in wire
        assert host.identity.signing_public_key not in wire


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


def test_an_address_in_the_senders_subnet_is_its_to_use_unless_it_is_another_nodes() -> None:
    net = ready("abc")
    a, c = net.hosts["a"], net.hosts["c"]
    packet = bytearray(ping_packet(net, "a", "c", b"second address"))
    other = a.address[:8] + bytes(7) + b"\1"
    packet[8:24] = other
    send_items(net, item(bytes(packet)))
    assert len(c.delivered) == 1
    c.node.routing.forwarding.next_hop[other] = a.address
    send_items(net, item(bytes(packet)))
    assert len(c.delivered) == 1
    assert counter(net, "c", "packets_foreign") == 1


def test_a_relay_does_not_raise_the_hop_limit() -> None:
    net = ready("abc")
    packet = bytearray(ping_packet(net, "a", "c", b"near"))
    packet[7] = 3
    send_items(net, item(bytes(packet)))
    assert net.hosts["c"].delivered[0][0][7] == 3
