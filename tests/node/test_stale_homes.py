"""Whatever a node believes of where another one is reached may have become false: who notices, and how soon it is mended.

    p                                  v   b            w
      a - x - l - k - y - m - n   with  v - k,  w - n;  b has a link to v, and later one to w in its place
    q

Tables hold four nodes; l, k, m and n are landmarks. So b is at home at k and l, and later at n and m.
"""

from mycelium.link.link import Link
from mycelium.node.directory import AGAIN_CEILING_S
from mycelium.node.meetings import SILENT_S
from mycelium.node.node import Node
from mycelium.routing.parameters import RoutingParameters, Standing
from mycelium.session.session import Session
from mycelium.wire.train import ERROR_NO_ROUTE, TrainHeader
from sim.net.node_net import NodeNet
from tests.support.small_meshes import counter, deliver, ping, received

LANDMARKS = "lkmn"
LINKS = ("pa", "qa", "ax", "xl", "lk", "ky", "ym", "mn", "vk", "wn", "bv", "bw", "aw", "bx")
LATER = ("bw", "aw", "bx")  # links that are cut at first
ROUND_TRIP_S = 0.2  # longer than the longest way and back


def address(net: NodeNet, name: str) -> bytes:
    return net.hosts[name].address


def node_of(net: NodeNet, name: str) -> Node:
    return net.hosts[name].node


def mesh(without: str = "") -> NodeNet:
    """Returns the mesh, perhaps without one node, which `add` adds later."""
    net = NodeNet(seed=5)
    for name in "".join(dict.fromkeys("".join(LINKS))):
        if name not in without:
            add(net, name)
    for link in LINKS:
        if not set(link) & set(without):
            net.join(*link)
            if link in LATER:
                net.cut(*link)
    net.run(10, until=lambda: all(homes(net, name) for name in net.hosts if name not in LANDMARKS))
    net.run(3)  # until records are with the replicas
    return net


def add(net: NodeNet, name: str) -> None:
    standing = Standing.YES if name in LANDMARKS else Standing.NO
    net.add(name, routing=RoutingParameters(scope=4, standing=standing, home_s=0.1))


def homes(net: NodeNet, name: str) -> str:
    """Returns where a node is at home."""
    return "".join(
        one for home in node_of(net, name).routing.landmarks.homes for one in net.hosts if address(net, one) == home
    )


def session(net: NodeNet, one: str = "a", other: str = "b") -> Session:
    return node_of(net, one).sessions.by_peer[address(net, other)]


def silence(net: NodeNet, name: str) -> None:
    """Has a node tell its partners nothing of its home any more."""
    node_of(net, name)._data_path.meetings.look = lambda *, now: None  # type: ignore[method-assign]


def swap(net: NodeNet, name: str, before: str, after: str, home: str) -> None:
    """Moves a node from one neighbour to another, and waits until it has a new home that knows it."""
    net.cut(name, before)
    net.mend(name, after)
    net.run(30, until=lambda: homes(net, name)[:1] == home and name_in_scope(net, home, name))
    net.run(0.5)


def name_in_scope(net: NodeNet, one: str, other: str) -> bool:
    return address(net, other) in node_of(net, one).routing.forwarding.next_hop


def talk(net: NodeNet, seconds: float, *pairs: tuple[str, str]) -> dict[tuple[str, str], float]:
    """Has nodes ping others ten times a second; returns for each pair the time after which nothing was lost any more."""
    sent: list[tuple[float, tuple[str, str], bytes]] = []
    start = net.now
    while net.now < start + seconds:
        sent += [(net.now - start, pair, ping(net, *pair)) for pair in pairs]
        net.run(0.1)
    net.run(1)
    arrived = {name: set(received(net, name)) for name in net.hosts}
    return {
        pair: max((when + 0.1 for when, one, data in sent if one == pair and data not in arrived[pair[1]]), default=0.0)
        for pair in pairs
    }


AB, BA = ("a", "b"), ("b", "a")


def keep_trains(net: NodeNet, home: str, *, of: str) -> None:
    """Has a landmark drop the trains of one node that come to it as a home, though it takes part in everything else."""
    receiving, own, its = node_of(net, home).receiving, address(net, home), address(net, of)
    unwrap = receiving._unwrap

    def keep(header: TrainHeader, train: memoryview) -> TrainHeader:
        return header if (header[7], header[8]) == (own, its) else unwrap(header, train)

    receiving._unwrap = keep  # type: ignore[method-assign]


def test_a_home_that_a_node_has_left_says_so_and_the_node_is_looked_up_again() -> None:
    net = mesh()
    deliver(net, *AB)
    silence(net, "b")
    assert homes(net, "b") == "kl"
    swap(net, "b", "v", "w", "n")
    looked_up = counter(net, "a", "lookups")
    assert talk(net, 3.0, AB)[AB] <= 1.0
    assert counter(net, "a", "lookups") - looked_up <= 3
    assert session(net).waypoint == b""


def test_old_homes_that_drop_trains_in_silence_are_left() -> None:
    net = mesh()
    deliver(net, *AB)
    silence(net, "b")
    swap(net, "b", "v", "w", "n")
    for name in "kl":
        keep_trains(net, name, of="a")
    assert talk(net, 8.0, AB)[AB] <= 3 * SILENT_S


def test_a_record_that_is_out_of_date_is_looked_up_again_while_a_session_is_requested() -> None:
    net = mesh()
    net.run(2, until=lambda: node_of(net, "a")._data_path.directory.resolve(address(net, "b"), now=net.now) is not None)
    net.run(1)
    assert node_of(net, "a")._data_path.directory.home_of(address(net, "b")) is not None
    swap(net, "b", "v", "w", "n")
    assert deliver(net, *AB, within=2.5) > 0


def just_joined() -> NodeNet:
    """Returns a mesh whose `b` has a home, and was unknown when `a` looked it up a moment ago."""
    net = mesh(without="b")
    add(net, "b")
    ping(net, *AB)
    net.run(2, until=lambda: counter(net, "a", "lookups_failed") == 1)
    net.join(*"bv")
    net.run(3, until=lambda: bool(homes(net, "b")))
    return net


def test_a_node_that_was_unknown_a_moment_ago_is_answered_at_once_when_it_speaks_first() -> None:
    net = just_joined()
    deliver(net, *BA)
    assert deliver(net, *AB) <= ROUND_TRIP_S
    assert counter(net, "a", "lookups") == 1


def test_a_node_that_was_unknown_a_moment_ago_is_found_soon_after_it_has_joined() -> None:
    net = just_joined()
    assert talk(net, 5.0, AB)[AB] <= 3.0


def test_a_node_that_restarts_elsewhere_reaches_a_partner_with_an_old_session() -> None:
    net = mesh()
    deliver(net, *AB)
    net.run(2)
    assert session(net).home == address(net, "k")
    net.cut(*"bv")
    net.restart("b")
    net.mend(*"bw")
    net.run(30, until=lambda: homes(net, "b")[:1] == "n")
    assert deliver(net, *BA) <= 1.0
    assert talk(net, 3.0, AB)[AB] <= 1.0


def test_who_sends_and_is_not_answered_because_there_is_nothing_to_say_keeps_its_way() -> None:
    net = mesh()
    deliver(net, *AB)
    looked_up = [counter(net, name, "lookups") for name in "ab"]
    assert talk(net, 20.0, AB)[AB] == 0.0
    assert [counter(net, name, "lookups") for name in "ab"] == looked_up
    for one, other in (AB, BA):
        assert session(net, one, other).lost == {}
        assert node_of(net, one)._data_path.meetings._talks[address(net, other)].avoided == {}


def test_both_ends_move_at_once() -> None:
    net = mesh()
    swap(net, "b", "v", "w", "n")
    deliver(net, *AB)
    talk(net, 1.0, AB, BA)
    assert (homes(net, "a"), homes(net, "b")) == ("lk", "nm")
    for link in ("ax", "bw"):
        net.cut(*link)
    for link in ("aw", "bx"):
        net.mend(*link)
    net.run(30, until=lambda: (homes(net, "a"), homes(net, "b")) == ("nm", "lk"))
    assert max(talk(net, 5.0, AB, BA).values()) <= 2.0


def test_a_home_that_stands_down_is_followed_up() -> None:
    net = mesh()
    deliver(net, *AB)
    talk(net, 1.0, AB)
    landmarks = node_of(net, "k").routing.landmarks
    landmarks._stand(0, now=net.now)
    assert talk(net, 4.0, AB, BA)[AB] <= 2.0
    assert homes(net, "b") == "lm"


def test_a_home_that_dies_is_followed_up() -> None:
    net = mesh()
    deliver(net, *AB)
    talk(net, 1.0, AB)
    net.join("v", "y")
    net.join("l", "y")
    net.run(2)
    net.stop("k")
    assert max(talk(net, 6.0, AB, BA).values()) <= 3.0


def test_a_relay_that_makes_up_errors_about_all_trains_cuts_no_session_and_causes_few_lookups() -> None:
    net = mesh()
    deliver(net, *AB)
    liar = node_of(net, "x")
    forward = liar.receiving._next_link

    def lie(
        header: TrainHeader, frame: memoryview, position: int, end: int, neighbour: bytes, *, now: float
    ) -> Link | None:
        liar._data_path.relay_errors.report(ERROR_NO_ROUTE, frame[position:end], neighbour=neighbour, now=now)
        return forward(header, frame, position, end, neighbour, now=now)

    liar.receiving._next_link = lie  # type: ignore[method-assign]
    looked_up = counter(net, "a", "lookups")
    assert talk(net, 30.0, AB)[AB] == 0.0
    assert counter(net, "x", "relay_errors_sent") > 100
    assert counter(net, "a", "lookups") - looked_up <= 5 + 30 / AGAIN_CEILING_S


def test_a_node_that_is_gone_is_looked_up_seldom_and_found_where_it_comes_back() -> None:
    net = mesh()
    deliver(net, *AB)
    net.cut(*"bv")
    looked_up = counter(net, "a", "lookups")
    talk(net, 30.0, AB)
    assert counter(net, "a", "lookups") - looked_up <= 5 + 30 / AGAIN_CEILING_S
    silence(net, "b")
    swap(net, "b", "v", "w", "n")
    assert talk(net, AGAIN_CEILING_S + 4.0, AB)[AB] <= AGAIN_CEILING_S + 2.0


def test_a_node_that_moves_while_its_lookup_is_under_way_is_answered_at_its_new_home() -> None:
    net = mesh()
    net.cut(*"ax")
    ping(net, *AB)
    net.run(0.3)
    net.mend(*"aw")
    net.run(30, until=lambda: homes(net, "a")[:1] == "n")
    assert talk(net, 4.0, AB)[AB] <= 2.0
