"""Wrapped trains: to nodes without a route, by their home, and back."""

import pytest
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6TimeExceeded

from mycelium.dataplane.wrapping import WrapperHead, wrap
from mycelium.packet.ipv6 import HOP_LIMIT_EXCEEDED, NO_ROUTE
from mycelium.wire.home_record import NOWHERE
from mycelium.wire.train import (
    DATA,
    DESTINATION,
    INNER_DESTINATION,
    RELAY,
    SESSION_REPLY,
    SESSION_REQUEST,
    TRAIN_HEADER,
    TRAIN_HEADER_BYTES,
    WRAPPER_BYTES,
    home_in,
)
from sim.net.node_net import NodeNet
from tests.dataplane.support import errors
from tests.support.small_meshes import counter, deliver, ping, ready_line, received, train_kinds
from tests.support.small_tables import tell_home


def is_at_home(net: NodeNet, name: str, home: str, *, known_to: str = "", backup: str | None = None) -> None:
    """Gives a node a home, of which others know."""
    address = net.hosts[home].address
    net.hosts[name].node.routing.landmarks.homes = (address,)
    behind = NOWHERE if backup is None else net.hosts[backup].address
    for other in known_to:
        tell_home(net.hosts[other].node, net.hosts[name].address, address, behind)


def put_out_of_scope(net: NodeNet, *pairs: str) -> None:
    """Takes from the first node of each pair the next hop to the second."""
    for pair in pairs:
        one, other = tuple(pair)
        del net.hosts[one].node.routing.forwarding.next_hop[net.hosts[other].address]


def distant(names: str = "abcde") -> NodeNet:
    """Returns a line whose ends have no route to each other: a's home is b, e's is d."""
    net = ready_line(names)
    put_out_of_scope(net, "ae", "be", "ea", "da")
    is_at_home(net, "a", "b")
    is_at_home(net, "e", "d", known_to="a")
    return net


def test_a_wrapper_has_the_length_of_the_train_in_it() -> None:
    frame = bytearray(500)
    head = WrapperHead(63, 1, 0x60, 7 << 24 | 100, b"s" * 16)
    assert wrap(memoryview(frame), 20, b"w" * 16, head, b"h" * 16) == 20 + WRAPPER_BYTES
    header = TRAIN_HEADER.unpack_from(frame, 20)
    assert header == (63, 1, RELAY, 0x60, 7 << 24 | 116, 0, 0, b"w" * 16, b"s" * 16)
    assert home_in(memoryview(frame)[20:]) == b"h" * 16


def test_packets_reach_a_node_without_a_route_by_its_home_and_the_answers_come_back() -> None:
    net = distant()
    at_e, at_a = train_kinds(net, "e"), train_kinds(net, "a")
    deliver(net, "a", "e")
    deliver(net, "e", "a")
    assert {kind for kind, _ in at_e} == {kind for kind, _ in at_a} == {RELAY}
    inside = [train[WRAPPER_BYTES + 2] for _, train in (*at_e, *at_a)]
    assert {SESSION_REQUEST, SESSION_REPLY, DATA} == set(inside)
    assert all(home_in(memoryview(train)) == net.hosts["b"].address for _, train in at_e), "the way back"
    # c has routes to both ends, and so has everyone behind it
    assert counter(net, "c", "trains_unwrapped") == len(at_e) + len(at_a)
    assert counter(net, "d", "trains_unwrapped") == counter(net, "b", "trains_unwrapped") == 0


def test_the_waypoint_unwraps_if_nobody_did_before() -> None:
    net = distant()
    put_out_of_scope(net, "ce")
    at_d = train_kinds(net, "d")
    deliver(net, "a", "e")
    to_d = [train for kind, train in at_d if kind == RELAY and train[DESTINATION] == net.hosts["d"].address]
    assert counter(net, "d", "trains_unwrapped") == len(to_d) > 0


def test_a_node_that_is_on_the_way_to_its_home_takes_what_is_for_it() -> None:
    net = distant()
    is_at_home(net, "c", "d", known_to="a")
    put_out_of_scope(net, "ac", "bc")
    deliver(net, "a", "c")
    assert counter(net, "d", "trains_forwarded") == 0


def test_a_waypoint_without_a_route_says_so_and_wraps_nothing_anew() -> None:
    net = distant()
    deliver(net, "a", "e")
    put_out_of_scope(net, "ce", "de")
    ping(net, "a", "e")
    net.run(1)
    (error,) = errors(net, "a")
    assert error.src == net.hosts["d"].address_text
    assert (error[ICMPv6DestUnreach].type, error[ICMPv6DestUnreach].code) == NO_ROUTE
    assert counter(net, "d", "trains_wrapped") > 0, "the error itself goes to a's home"
    assert counter(net, "c", "trains_wrapped") == 0


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_relays_count_hops_of_wrapped_trains(hops: int) -> None:
    net = distant()
    deliver(net, "a", "e")
    ping(net, "a", "e", hop_limit=hops)
    net.run(1)
    (error,) = errors(net, "a")
    assert error.src == net.hosts["abcde"[hops]].address_text
    assert (error[ICMPv6TimeExceeded].type, error[ICMPv6TimeExceeded].code) == HOP_LIMIT_EXCEEDED
    ping(net, "a", "e", hop_limit=4)
    net.run(1)
    assert net.hosts["e"].delivered[-1][0][7] == 1


def test_a_responder_need_not_know_who_asks_from_out_of_its_scope() -> None:
    net = distant()
    a, e = (net.hosts[name] for name in "ae")
    net.hosts["e"].node.sessions._resolve = lambda node: None
    net.hosts["e"].node.sessions._requests._look_up = lambda node, *, now: None
    deliver(net, "a", "e")
    assert e.node.sessions.by_peer[a.address].way_back == net.hosts["b"].address
    deliver(net, "e", "a")


def test_a_node_with_a_home_shows_the_way_back_where_it_has_a_route_itself() -> None:
    net = ready_line("abcde")
    put_out_of_scope(net, "ea", "da")
    is_at_home(net, "a", "b")
    at_e = train_kinds(net, "e")
    deliver(net, "a", "e")
    assert next(kind for kind, _ in at_e) == RELAY
    assert {kind for kind, _ in at_e[1:]} == {DATA}, "nothing but the request needs it"
    deliver(net, "e", "a")


def test_without_homes_nothing_is_wrapped() -> None:
    net = ready_line("abc")
    at_c = train_kinds(net, "c")
    deliver(net, "a", "c")
    put_out_of_scope(net, "ac")
    ping(net, "a", "c")
    net.run(1)
    assert RELAY not in {kind for kind, _ in at_c}
    assert counter(net, "a", "packets_no_route") == 1


def test_the_backup_home_is_the_way_where_there_is_none_to_the_home() -> None:
    net = distant()
    is_at_home(net, "e", "d", known_to="a", backup="c")
    put_out_of_scope(net, "ad")
    deliver(net, "a", "e")


def test_a_super_packet_leaves_room_for_its_wrapper() -> None:
    net = distant()
    deliver(net, "a", "e")
    limits = {link.frames.budget.limit for host in net.hosts.values() for link in host.node.links.values()}
    for size in range(min(limits) - 300, min(limits) - 100, 9):
        data = ping(net, "a", "e", size=min(size, 60_000))
        net.run(0.5)
        assert data in received(net, "e")


@pytest.mark.parametrize("spoil", ["nested", "short", "long", "foreign"])
def test_a_malformed_wrapped_train_is_dropped_and_counted(spoil: str) -> None:
    net = ready_line("ab")
    a, b = (net.hosts[name] for name in "ab")
    inside = bytearray(TRAIN_HEADER.pack(64, 0, DATA, 0, 40, 1, 1, b.address, a.address) + bytes(40))
    if spoil == "nested":
        inside[2] = RELAY
    elif spoil == "long":
        inside += b"x"
    elif spoil == "short":
        del inside[20:]
    body = a.address + bytes(inside)
    train = bytearray(TRAIN_HEADER.pack(64, 0, RELAY, 0, len(body), 0, 0, b.address, a.address) + body)
    if spoil == "foreign":
        train[INNER_DESTINATION] = b"\x05" * 16
    frame = memoryview(bytearray(8) + train)
    b.node.receiving.receive_frame(frame, now=net.now, neighbour=a.address)
    names = ("trains_malformed", "trains_no_route")
    assert [counter(net, "b", name) for name in names] == ([0, 1] if spoil == "foreign" else [1, 0])
    assert len(frame) >= TRAIN_HEADER_BYTES
