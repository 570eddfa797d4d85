"""From the links to TUN or onward: hop limits, routes, and packets that must not pass."""

import pytest
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoRequest, ICMPv6TimeExceeded

from mycelium.packet.ipv6 import ADDRESS_UNREACHABLE, HOP_LIMIT_EXCEEDED, NO_ROUTE
from mycelium.session.session import Session
from mycelium.wire.train import DATA, ITEM_REPORT
from sim.net.node_net import NodeNet
from tests.channel.support import awaited_proof
from tests.dataplane.support import errors, item, ready, send_items
from tests.support.small_meshes import counter, data_of, deliver, ping, ping_packet, ready_line, received, train_kinds


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


@pytest.mark.parametrize(("source", "destination"), ["bc", "ab", "ca"])
def test_a_packet_with_foreign_addresses_inside_is_dropped_and_counted(source: str, destination: str) -> None:
    net = ready("abc")
    send_items(net, item(ping_packet(net, source, destination, b"evil")))
    assert net.hosts["c"].delivered == []
    assert counter(net, "c", "packets_foreign") == 1


def test_a_node_without_a_device_says_so_to_the_application_and_only_for_packets() -> None:
    net = ready("abc")
    b, c = (net.hosts[name] for name in "bc")
    c.node.receiving.has_device = False
    ping(net, "a", "c")
    net.run(1)
    (error,) = errors(net, "a")
    assert error.src == c.address_text
    assert (error[ICMPv6DestUnreach].type, error[ICMPv6DestUnreach].code) == ADDRESS_UNREACHABLE
    assert error[ICMPv6DestUnreach].payload.dst == c.address_text
    assert received(net, "c") == []
    assert counter(net, "c", "packets_undeliverable") == counter(net, "c", "relay_errors_sent") == 1
    net.run(5)  # the reports of both ends draw no error
    assert counter(net, "c", "relay_errors_sent") == 1
    ping(net, "b", "c")
    net.run(1)
    assert [one.src for one in errors(net, "b")] == [c.address_text]  # of the first packet of a session too
    c.node.receiving.has_device = True
    b.delivered.clear()
    data = ping(net, "b", "c")
    net.run(1)
    assert received(net, "c") == [data]
    assert errors(net, "b") == []


@pytest.mark.parametrize("names", ["ab", "abc"], ids=["unsealed", "sealed"])
def test_a_node_without_a_device_says_so_of_packets_that_have_waited_for_a_proof_too(names: str) -> None:
    net = ready(names)
    there = net.hosts[names[-1]]
    deliver(net, "a", there.name)  # under keys that both ends have used
    sessions = there.node.sessions
    session = sessions.by_peer[net.hosts["a"].address]
    keypair = session.sending
    assert keypair is not None
    awaited = keypair.awaited = awaited_proof(until=net.now + 9)
    session.hold()
    there.node.receiving.has_device = False
    ping(net, "a", there.name)
    net.run(0.5)
    assert (len(awaited.early), errors(net, "a")) == (1, [])
    keypair.awaited = None
    sessions.take_early(session, awaited.early)
    there.node.receiving.release_ready(now=net.now)
    net.drain(there.name)
    net.run(0.5)
    assert [error.src for error in errors(net, "a")] == [there.address_text]
    assert counter(net, there.name, "packets_undeliverable") == 1


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

    def take(session: Session, body: memoryview, *, hop_limit: int, now: float) -> None:
        taken.append((session.peer, bytes(body), hop_limit, now))

    net.hosts["c"].node.receiving.item_handlers[0x70] = take
    send_items(net, item(b"for us", word=6 << 8 | 0x70) + item(ping_packet(net, "a", "c", b"packet")))
    [(peer, body, hop_limit, now)] = taken
    assert (peer, body, hop_limit) == (net.hosts["a"].address, b"for us", 63)
    assert net.now - 1 <= now <= net.now
    assert received(net, "c") == [b"packet"]
    assert counter(net, "c", "items_unknown") == 0


def test_a_lying_report_does_no_harm() -> None:
    net = ready("abc")
    for opened, newest in ((2**64 - 1, 2**64 - 1), (0, 2**63), (2**40, 1)):
        report = newest.to_bytes(8, "big") + opened.to_bytes(8, "big")
        send_items(net, item(report, word=16 << 8 | ITEM_REPORT))
    deliver(net, "c", "a")


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


def test_packets_that_wait_for_a_proof_of_their_keys_leave_with_the_train_that_is_one() -> None:
    delay = 0.005
    net = ready_line("ab", delay)
    ping(net, "a", "b")
    net.run(2 * delay)  # the train is under way
    assert deliver(net, "b", "a") == pytest.approx(2 * delay, abs=delay / 2)
