"""Ways to nodes that have no next hop."""

from mycelium.dataplane.wrapping import Detour
from mycelium.node.meetings import SILENT_S
from mycelium.node.node import Node
from mycelium.wire.announcement import LANDMARK
from mycelium.wire.distance import UNKNOWN
from mycelium.wire.home_record import NOWHERE
from mycelium.wire.train import DEFLECTED
from sim.net.node_net import NodeNet
from tests.support.small_meshes import deliver, is_whole, ping, received
from tests.support.small_tables import tell_home


def mesh() -> NodeNet:
    """Returns a square of a, b, c and d, with e behind c."""
    net = NodeNet()
    for name in "abcde":
        net.add(name)
    for one, other in ("ab", "bc", "cd", "da", "ce"):
        net.join(one, other)
    net.run(5, until=lambda: is_whole(net))
    net.run(1)
    return net


def address(net: NodeNet, name: str) -> bytes:
    return net.hosts[name].address


def at_home(net: NodeNet, name: str, home: str, backup: str | None = None) -> Node:
    """Tells a where a node is at home; returns the node of a."""
    node = net.hosts["a"].node
    tell_home(node, address(net, name), address(net, home), NOWHERE if backup is None else address(net, backup))
    return node


def way(node: Node, destination: bytes, home: bytes = b"") -> Detour | None:
    return node._data_path.ways.way_to(destination, home)


def drop_route(node: Node, destination: bytes) -> None:
    """Has a node use no route to another one."""
    del node.routing.forwarding.next_hop[destination]


def test_a_node_out_of_scope_is_reached_by_its_home_before_neighbours_that_have_told_of_it() -> None:
    net = mesh()
    node, e, c = at_home(net, "e", "c"), address(net, "e"), address(net, "c")
    drop_route(node, e)
    assert node.routing.forwarding.alternate(e) is not None
    assert way(node, e) == Detour(node.routing.forwarding.next_hop[c], 0, c)


def test_a_node_in_scope_that_has_lost_its_route_is_reached_over_another_neighbour() -> None:
    net = mesh()
    node, e = at_home(net, "e", "c"), address(net, "e")
    drop_route(node, e)
    row = node.routing._table.rows[e]
    row.metric = (1 << 32) - 1
    row.selected = -1
    found = way(node, e)
    assert found is not None
    assert (found.flags, found.waypoint) == (DEFLECTED, b"")


def test_a_home_without_a_next_hop_is_reached_over_another_neighbour() -> None:
    net = mesh()
    node, e, c = at_home(net, "e", "c"), address(net, "e"), address(net, "c")
    drop_route(node, e)
    drop_route(node, c)
    assert way(node, e) == Detour(node.routing.forwarding.alternate(c) or b"", DEFLECTED, c)


def test_what_answers_a_train_goes_to_the_home_that_it_has_shown() -> None:
    net = mesh()
    node, e, b, d = at_home(net, "e", "d"), *(address(net, name) for name in "ebd")
    drop_route(node, e)
    session = node.sessions.find(e, now=net.now)
    session.home = session.waypoint = d
    assert way(node, e) == Detour(d, 0, d)
    assert way(node, e, b) == Detour(b, 0, b)
    assert way(node, e, bytes(15) + b"?") == Detour(d, 0, d), "there is no route to that"


def test_what_a_session_has_told_of_a_home_comes_first_then_what_is_signed_then_what_a_request_has_shown() -> None:
    net = mesh()
    node, e, b, c, d = at_home(net, "e", "d"), *(address(net, name) for name in "ebcd")
    drop_route(node, e)
    node.sessions.find(e, now=net.now).way_back = c
    assert node.ways.homes(e) == [d, c]
    node.sessions.find(e, now=net.now).home = b
    assert node.ways.homes(e) == [b, d, c]


def test_turns_begin_with_another_home() -> None:
    net = mesh()
    node, e, b, d = at_home(net, "e", "d", "b"), *(address(net, name) for name in "ebd")
    drop_route(node, e)
    found = [node._data_path.ways.way_to(e, turn=turn) for turn in range(3)]
    assert [one and one.waypoint for one in found] == [d, b, d]


def test_homes_by_which_trains_did_not_arrive_come_last_the_one_lost_longest_ago_first() -> None:
    net = mesh()
    node, e, b, c, d = at_home(net, "e", "d", "b"), *(address(net, name) for name in "ebcd")
    session = node.sessions.find(e, now=net.now)
    session.way_back = c
    session.lose(d, now=1.0)
    assert node.ways.homes(e) == [b, c, d]
    session.lose(b, now=2.0)
    session.lose(c, now=3.0)
    assert node.ways.homes(e) == [d, b, c]


def test_a_home_that_drops_what_it_should_pass_on_is_left_for_the_other_one() -> None:
    net = mesh()
    node, e, d = at_home(net, "e", "d", "b"), address(net, "e"), address(net, "d")
    node.routing.landmarks.homes = (address(net, "b"),)
    drop_route(node, e)
    liar = net.hosts["d"].node.receiving
    unwrap = liar._unwrap
    liar._unwrap = lambda header, train: header if header[7] == d else unwrap(header, train)  # type: ignore[method-assign]
    row = node.routing._table.rows[e]
    row.routes[:] = [UNKNOWN] * len(row.routes)  # no neighbour has told of it
    for _ in range(60):
        ping(net, "a", "e")
        net.run(0.1)
    last = ping(net, "a", "e")
    net.run(1)
    assert last in received(net, "e")


def test_a_home_that_drops_trains_is_left_though_all_that_the_other_end_sends_arrives() -> None:
    net = mesh()
    node, other, e, d = at_home(net, "e", "d", "b"), net.hosts["e"].node, address(net, "e"), address(net, "d")
    for one in (node, other):
        one.routing.landmarks.homes = (address(net, "b"),)
    drop_route(node, e)
    row = node.routing._table.rows[e]
    row.routes[:] = [UNKNOWN] * len(row.routes)  # no neighbour has told of it
    deliver(net, "a", "e")
    other.routing.landmarks.homes = (d, address(net, "b"))
    net.run(1.5)
    assert node.sessions.by_peer[e].home == d
    liar = net.hosts["d"].node.receiving
    unwrap = liar._unwrap
    liar._unwrap = lambda header, train: header if header[7] == d else unwrap(header, train)  # type: ignore[method-assign]
    began = net.now
    arrived = False
    while not arrived:
        assert net.now < began + 2 * SILENT_S
        sent = ping(net, "a", "e")
        back = ping(net, "e", "a")
        net.run(0.1)
        arrived = sent in received(net, "e")
        assert back in received(net, "a")


def test_without_a_home_the_neighbours_that_have_told_of_a_node_are_left() -> None:
    net = mesh()
    node, e = net.hosts["a"].node, address(net, "e")
    drop_route(node, e)
    found = way(node, e)
    assert found is not None
    assert (found.flags, found.waypoint) == (DEFLECTED, b"")
    assert way(node, bytes(16)) is None


def test_a_landmark_is_its_own_home() -> None:
    net = mesh()
    node = net.hosts["a"].node
    assert node._data_path.ways.own_home == b""
    node.routing.landmarks.homes = (address(net, "b"),)
    assert node._data_path.ways.own_home == address(net, "b")
    node.routing._origin.flags = LANDMARK
    assert node._data_path.ways.own_home == node.identity.address
