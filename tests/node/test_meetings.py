"""Where the ends of a session meet that have no routes to each other."""

import itertools

import pytest

from mycelium.channel.byte_budget import ByteBudget
from mycelium.limits import WAYPOINTS_AVOIDED
from mycelium.node.meetings import ASKED_AGAIN_S, IDLE_S, PINNED_S, SILENT_S, Talk
from mycelium.node.node import Node
from mycelium.routing.parameters import RoutingParameters
from mycelium.session.queue import PacketQueue
from mycelium.session.session import Session
from mycelium.wire.meeting import Meeting, MeetingKind, encode_meeting
from mycelium.wire.train import DATA, RELAY
from sim.net.node_net import NodeNet
from tests.support.small_meshes import counter, deliver, ping, ready_line, received, train_kinds
from tests.support.small_tables import is_in_scope, limit_tables, tell_homes


def ring(*, across_s: float = 0.04, leaves: str = "") -> NodeNet:
    """Returns a ring of 14 nodes whose tables hold seven, with a long link across it over x."""
    net = NodeNet(seed=3)
    names = "abcdefghijklmn"
    for name in names + "x":
        net.add(name, routing=RoutingParameters(is_leaf=name in leaves))
    limit_tables(net, 7)
    for index, name in enumerate(names):
        net.join(name, names[(index + 1) % len(names)], 0.005)
    for name in "bj":
        net.join(name, "x", across_s)
    tell_homes(net)
    net.run(8)
    return net


def talk(net: NodeNet, one: str, other: str, seconds: float) -> int:
    """Has two hosts ping each other for a while; returns how many pings were lost."""
    sent: list[tuple[str, bytes]] = []
    until = net.now + seconds
    while net.now < until:
        sent += [(other, ping(net, one, other)), (one, ping(net, other, one))]
        net.run(0.1)
    net.run(1)
    return sum(data not in received(net, name) for name, data in sent)


def node_of(net: NodeNet, name: str) -> Node:
    return net.hosts[name].node


def sum_over(net: NodeNet, one: str, other: str, waypoint: bytes) -> int:
    """Returns what a waypoint costs two hosts."""
    return sum(node_of(net, name).routing.metric(waypoint) for name in (one, other))


def waypoint(net: NodeNet, one: str, other: str) -> bytes:
    """Returns where a host meets another one, empty for its home."""
    return node_of(net, one).sessions.by_peer[net.hosts[other].address].waypoint


def best_of(net: NodeNet, one: str, other: str) -> bytes:
    """Returns the node of both hosts' tables that is nearest to both."""
    tables = [node_of(net, name).routing.waypoints.vicinity(now=net.now) for name in (one, other)]
    return min(set(tables[0]) & set(tables[1]), key=lambda node: (tables[0][node] + tables[1][node], node))


def strangers(net: NodeNet) -> tuple[str, str]:
    """Returns two hosts that have no routes to each other, are no landmarks, and have a nearer node to meet than homes."""
    plain = [name for name in net.hosts if not node_of(net, name).routing.is_landmark]
    return next(
        (one, other)
        for one, other in itertools.combinations(plain, 2)
        if not is_in_scope(node_of(net, one), node_of(net, other))
        and not is_in_scope(node_of(net, other), node_of(net, one))
        and best_of(net, one, other) not in {node_of(net, name).routing.home for name in (one, other)}
    )


def test_a_session_that_lasts_has_its_ends_meet_at_the_best_node_that_both_have() -> None:
    net = ring()
    one, other = strangers(net)
    deliver(net, one, other)
    assert waypoint(net, one, other) == b""
    assert talk(net, one, other, 9.0) == 0
    met = waypoint(net, one, other)
    assert met == waypoint(net, other, one) != b""
    assert sum_over(net, one, other, met) == sum_over(net, one, other, best_of(net, one, other))
    arrived = train_kinds(net, other)
    assert talk(net, one, other, 1.0) == 0
    assert {kind for kind, _ in arrived} == {RELAY}
    pins = [node_of(net, name).routing.waypoints for name in (one, other)]
    assert [len(each) for each in pins] == [1, 1]
    net.run(IDLE_S + PINNED_S + 3)
    assert [len(each) for each in pins] == [0, 0], "nobody talks any more"
    assert waypoint(net, one, other) == b""
    deliver(net, one, other)


def test_much_at_once_is_worth_a_waypoint_too() -> None:
    net = ring()
    one, other = strangers(net)
    for _ in range(60):
        ping(net, one, other, size=16_000)
        net.run(0.05)
    net.run(4, until=lambda: waypoint(net, one, other) != b"")


def test_a_waypoint_without_a_route_is_left_for_the_home_at_once() -> None:
    net = ring()
    one, other = strangers(net)
    talk(net, one, other, 9.0)
    met = waypoint(net, one, other)
    del node_of(net, one).routing.forwarding.next_hop[met]
    data = ping(net, one, other)
    net.run(1)
    assert data in received(net, other)


def test_a_waypoint_behind_which_nothing_answers_is_left() -> None:
    net = ring()
    one, other = strangers(net)
    talk(net, one, other, 9.0)
    deaf = next(name for name in net.hosts if net.hosts[name].address == waypoint(net, one, other))
    node_of(net, deaf).receiving._next_link = lambda *_, **__: None  # type: ignore[method-assign]
    until = net.now + 4
    while waypoint(net, one, other):
        assert net.now < until
        ping(net, one, other)
        net.run(0.1)


def test_a_leaf_that_was_chosen_as_a_waypoint_carries_nothing_and_is_not_chosen_again() -> None:
    net = ring(across_s=0.001, leaves="x")
    one, other = "b", "k"
    assert best_of(net, one, other) == net.hosts["x"].address
    deliver(net, one, other)
    assert talk(net, one, other, 9.0) <= 4
    assert net.hosts["x"].address in node_of(net, one)._data_path.meetings._talks[net.hosts[other].address].avoided
    assert counter(net, "x", "trains_forwarded") == 0
    assert talk(net, one, other, 65.0) == 0
    met = waypoint(net, one, other)
    assert met not in (b"", net.hosts["x"].address)
    assert counter(net, "x", "trains_forwarded") == 0


def test_of_the_waypoints_that_are_avoided_the_one_left_longest_ago_is_forgotten_first() -> None:
    left = Talk(Session(bytes(16), PacketQueue(ByteBudget(0)), now=0.0), now=0.0)
    for now in range(WAYPOINTS_AVOIDED):
        left.avoid(bytes([now]), now=float(now))
    left.avoid(bytes([0]), now=1_000.0)
    left.avoid(b"another", now=1_001.0)
    assert list(left.avoided) == [*(bytes([one]) for one in range(2, WAYPOINTS_AVOIDED)), bytes([0]), b"another"]


class Sent(Session):
    """A session that has been used, and heard, at certain times."""

    heard_at = 0.0


def test_silence_counts_from_the_first_look_after_something_was_sent_that_nothing_was_heard_after() -> None:
    session = Sent(bytes(16), PacketQueue(ByteBudget(0)), now=0.0)
    talk = Talk(session, now=0.0)
    found = []
    for now, session.last_used, Sent.heard_at in (
        (1.0, 0.5, 0.5),
        (2.0, 1.5, 0.5),
        (3.0, 1.5, 0.5),
        (4.0, 3.5, 0.5),
        (5.0, 4.5, 4.5),
        (6.0, 5.5, 4.5),
        (7.0, 6.5, 4.5),
    ):
        found.append(talk.silent_s(session, now=now))
    assert found == [0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 1.0]


def test_who_is_asked_again_soon_is_not_heard_and_the_next_time_only_after_another_question() -> None:
    talk = Talk(Session(bytes(16), PacketQueue(ByteBudget(0)), now=0.0), now=0.0)
    times = (50.0, 60.0, 60.0 + ASKED_AGAIN_S, 64.0, 65.0)
    assert [talk.is_asked_again(now=now) for now in times] == [False, False, True, False, True]


def test_a_partner_that_is_silent_and_that_no_way_is_known_to_is_looked_up() -> None:
    net = ring()
    one, other = strangers(net)
    deliver(net, one, other)
    path = node_of(net, one)._data_path
    renewed: list[bytes] = []
    path.directory.renew = lambda node, *, now: renewed.append(node)  # type: ignore[method-assign]
    path.directory.home_of = lambda node: None  # type: ignore[method-assign]
    session = node_of(net, one).sessions.by_peer[net.hosts[other].address]
    session.home = session.way_back = b""
    assert path.ways.homes(session.peer) == []
    path.meetings._talk(session, now=net.now).unheard_since = net.now
    session.last_used = net.now
    path.meetings.look(now=net.now + SILENT_S)
    assert renewed == [session.peer]


def test_an_echo_that_a_waypoint_has_no_route_for_has_it_left_too() -> None:
    net = ring(across_s=0.001, leaves="x")
    one, other = "b", "k"
    deliver(net, one, other)
    node, there, x = node_of(net, one), net.hosts[other].address, net.hosts["x"].address
    session = node.sessions.by_peer[there]
    session.waypoint = x
    node.echoes.ask(there, now=net.now)
    net.drain(one)
    net.run(0.1)
    assert session.waypoint == b""


def test_the_partner_itself_is_no_waypoint() -> None:
    net = ring()
    one, other = strangers(net)
    deliver(net, one, other)
    node, there = node_of(net, one), net.hosts[other].address
    session = node.sessions.by_peer[there]
    node.routing.forwarding.next_hop[there] = next(iter(node.links))
    for about in (there, next(iter(node.links))):
        item = encode_meeting(Meeting(MeetingKind.WAYPOINT, node=about))
        node._data_path.meetings.take(session, memoryview(item), hop_limit=64, now=net.now)
        chosen = node._data_path.meetings._talks[there].chosen
        assert (chosen is None) is (about == there)
        net.run(2)


def test_a_node_that_changes_its_home_tells_its_sessions() -> None:
    net = ring()
    one, other = strangers(net)
    deliver(net, one, other)
    net.run(2)
    session = node_of(net, other).sessions.by_peer[net.hosts[one].address]
    assert session.home == node_of(net, one).routing.home
    elsewhere = next(
        host.address for host in net.hosts.values() if host.node.routing.is_landmark and host.address != session.home
    )
    node_of(net, one).routing.landmarks.homes = (elsewhere,)
    session.lose(elsewhere, now=net.now)  # before it was the home
    sending = node_of(net, one).sending
    lost: list[bytes] = []

    def lose(session: Session, kind: int, content: bytes, *, now: float) -> bool:
        lost.append(content)
        del sending.send_item
        return True

    sending.send_item = lose  # type: ignore[method-assign, assignment]
    net.run(2, until=lambda: bool(lost))
    net.run(3, until=lambda: session.home == elsewhere)
    assert session.home == elsewhere
    assert session.lost == {}


def test_nothing_is_told_where_everything_is_in_scope() -> None:
    net = ready_line("abc")
    deliver(net, "a", "c")
    at_c = train_kinds(net, "c")
    talk(net, "a", "c", 8.0)
    assert {kind for kind, _ in at_c} == {DATA}
    assert counter(net, "c", "items_unknown") == 0
    c = node_of(net, "c")
    session = c.sessions.by_peer[net.hosts["a"].address]
    for item in (b"", b"\x07", b"\x01\0\0\0" + bytes(16)):
        c._data_path.meetings.take(session, memoryview(item), hop_limit=64, now=net.now)
    assert session.home == b""
    assert counter(net, "c", "trains_malformed") == 2


def test_vicinities_are_told_at_a_bounded_rate_and_others_meet_at_their_homes_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mycelium.node.meetings.VICINITIES_TOLD_PER_SECOND", 0.5)
    net = ring()
    one, other = strangers(net)
    deliver(net, one, other)
    assert talk(net, one, other, 9.0) == 0
    assert waypoint(net, one, other) == waypoint(net, other, one) == b""
