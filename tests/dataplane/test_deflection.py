"""Between the loss of a next hop and the repair of the route, trains leave by another neighbour: once, and marked."""

import random
from collections import defaultdict
from collections.abc import Callable
from itertools import combinations, pairwise

import pytest

from mycelium.link.link import LinkState
from mycelium.wire.train import AAD_START, DATA, DEFLECTED, TRAIN_HEADER_BYTES
from sim.net.node_net import NodeNet
from tests.support.small_meshes import (
    counter,
    deliver,
    is_whole,
    link_of,
    ping,
    ping_packet,
    reaches,
    received,
    train_kinds,
)

EVERY_S = 0.005
Edge = tuple[str, str, float]

# From a to b directly, or the long way over d and c: which is unfeasible, as d and c are farther from b than a.
SQUARE: list[Edge] = [("x", "a", 0.005), ("a", "b", 0.005), ("b", "c", 0.005), ("c", "d", 0.005), ("d", "a", 0.02)]


def ready_mesh(edges: list[Edge], *sessions: tuple[str, str], seed: int = 0) -> NodeNet:
    """Returns a mesh whose hosts all reach each other and where the pairs named have sessions."""
    net = NodeNet(seed)
    for name in dict.fromkeys(name for one, other, _ in edges for name in (one, other)):
        net.add(name)
    for one, other, delay in edges:
        net.join(one, other, delay)
    net.run(10, until=lambda: is_whole(net))
    net.run(4)
    for source, destination in sessions:
        deliver(net, source, destination)
        deliver(net, destination, source)
    return net


def is_doubted(net: NodeNet, one: str, other: str) -> bool:
    """Tells whether a host does not use its link to another."""
    return link_of(net, one, other).state is not LinkState.UP


def ping_until(
    net: NodeNet, source: str, destination: str, is_reached: Callable[[], bool]
) -> list[tuple[float, bytes]]:
    """Sends pings until something is so; returns when each left, and its data."""
    sent: list[tuple[float, bytes]] = []
    end = net.now + 3
    while not is_reached():
        assert net.now < end
        sent.append((net.now, ping(net, source, destination)))
        net.run(EVERY_S)
    return sent


class Ways:
    """The hosts that each data train came to, with its mark there."""

    def __init__(self, net: NodeNet) -> None:
        self._seen = {name: train_kinds(net, name) for name in net.hosts}

    def check(self) -> int:
        """Checks that no train came to a host three times or lost its mark; returns how many were marked."""
        visits: dict[bytes, list[str]] = defaultdict(list)
        marked: set[bytes] = set()
        for name, trains in self._seen.items():
            for kind, train in trains:
                if kind == DATA:
                    same = train[AAD_START:TRAIN_HEADER_BYTES] + train[-16:]
                    visits[same].append(name)
                    if train[1] & DEFLECTED:
                        marked.add(same)
        for hosts in visits.values():
            assert max(hosts.count(name) for name in hosts) <= 2, hosts
        return len(marked)


def test_what_a_source_sends_between_death_and_repair_arrives() -> None:
    net = ready_mesh(SQUARE, ("a", "b"))
    ways = Ways(net)
    net.cut("a", "b")
    ping_until(net, "a", "b", lambda: is_doubted(net, "a", "b"))
    net.hosts["a"].delivered.clear()
    assert not reaches(net, "a", "b")
    sent = ping_until(net, "a", "b", lambda: reaches(net, "a", "b"))
    net.run(0.2)
    assert len(sent) > 10
    assert {data for _, data in sent} <= set(received(net, "b"))
    assert net.hosts["a"].delivered == []
    assert ways.check() == counter(net, "a", "trains_deflected") >= len(sent)
    for name in net.hosts:
        assert counter(net, name, "trains_hop_limit") == counter(net, name, "trains_no_route") == 0


def test_what_comes_to_a_relay_before_its_retraction_is_heard_arrives() -> None:
    far_away = 0.05
    net = ready_mesh([("x", "a", far_away), *SQUARE[1:]], ("x", "b"))
    ways = Ways(net)
    net.hosts["x"].delivered.clear()
    net.cut("a", "b")
    sent = ping_until(net, "x", "b", lambda: is_doubted(net, "a", "b"))
    died_at = net.now
    sent += ping_until(net, "x", "b", lambda: not reaches(net, "x", "b"))
    net.run(0.3)
    late = [data for left_at, data in sent if left_at + far_away > died_at]
    assert len(late) > 2 * far_away / EVERY_S - 3
    assert set(late) <= set(received(net, "b"))
    assert net.hosts["x"].delivered == []
    assert ways.check() == counter(net, "a", "trains_deflected") >= len(late)
    for name in net.hosts:
        assert counter(net, name, "trains_hop_limit") == counter(net, name, "trains_no_route") == 0


def test_a_session_begins_while_the_route_is_gone() -> None:
    net = ready_mesh(SQUARE)
    net.cut("a", "b")
    net.run(3, until=lambda: is_doubted(net, "a", "b"))
    assert not reaches(net, "a", "b")
    data = ping(net, "a", "b")
    assert counter(net, "a", "trains_deflected") == 1  # the handshake's
    net.run(1, until=lambda: data in received(net, "b"))


def test_a_train_too_long_for_one_frame_is_deflected_in_all_its_parts() -> None:
    net = ready_mesh(SQUARE, ("a", "b"))
    net.cut("a", "b")
    net.run(3, until=lambda: is_doubted(net, "a", "b"))
    trains = train_kinds(net, "d")
    link_of(net, "a", "d").frames.budget.limit = 1_000
    packets = [ping_packet(net, "a", "b", bytes((number,)) * 700) for number in range(3)]
    net.send_batch("a", [(packet, 0, 0) for packet in packets])
    net.run(0.1)
    assert [train[1] for kind, train in trains if kind == DATA] == [DEFLECTED] * 3
    assert len(received(net, "b")[-3:]) == 3


def test_a_marked_train_is_not_deflected_again_and_its_source_is_told() -> None:
    # d, where a deflects to, has lost its next hop as well; it knows e, which is farther from b.
    edges = [*SQUARE, ("d", "e", 0.02), ("e", "b", 0.02)]
    net = ready_mesh(edges, ("x", "b"), ("d", "b"))
    ways = Ways(net)
    at_e = train_kinds(net, "e")
    b = net.hosts["b"].address
    for name in "ad":
        del net.hosts[name].node.routing.forwarding.next_hop[b]  # as between the loss and the retraction's arrival
    net.hosts["x"].delivered.clear()
    data = ping(net, "x", "b")
    net.run(0.5)
    assert data not in received(net, "b")
    assert at_e == []
    assert len(net.hosts["x"].delivered) == 1
    assert ways.check() == 1
    assert (counter(net, "a", "trains_deflected"), counter(net, "d", "trains_no_route")) == (1, 1)
    ping(net, "d", "b")
    assert counter(net, "d", "trains_deflected") == 1  # its own it may


@pytest.mark.parametrize(("sender", "other"), ["cd", "dc"])
def test_it_is_given_back_only_where_no_other_neighbour_is_left(sender: str, other: str) -> None:
    # Everyone is a neighbour of everyone, equally far; a has lost its next hop to b, and the sender's is a.
    net = ready_mesh([(*pair, 0.005) for pair in combinations("abcd", 2)], (sender, "b"))
    a, b = (net.hosts[name].address for name in "ab")
    del net.hosts["a"].node.routing.forwarding.next_hop[b]
    net.hosts[sender].node.routing.forwarding.next_hop[b] = a
    at_other, at_sender = train_kinds(net, other), train_kinds(net, sender)
    ping(net, sender, "b")
    net.run(0.1)
    assert [train[1] for _, train in at_other] == [DEFLECTED]
    assert at_sender == []
    net.cut("a", other)
    net.run(3, until=lambda: is_doubted(net, "a", other))
    assert net.hosts["a"].node.routing.forwarding.alternate(b, net.hosts[sender].address) == net.hosts[sender].address


def test_nothing_is_left_in_a_frame_when_a_link_is_given_up() -> None:
    net = ready_mesh(SQUARE, ("a", "b"), ("a", "x"))
    net.cut("a", "b")
    links = net.hosts["a"].node.links.values()
    while not is_doubted(net, "a", "b"):
        batch = [(ping_packet(net, "a", name, b"%d" % number), 0, 0) for number, name in enumerate("bxbx")]
        net.send_batch("a", batch)
        assert all(link.frames.filled_bytes == 0 for link in links)
        net.run(EVERY_S)
        assert all(link.frames.filled_bytes == 0 for link in links)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_breaks_no_train_goes_in_circles(seed: int) -> None:
    rng = random.Random(seed)
    names = "abcdefgh"
    ring = [*pairwise(names), (names[-1], names[0])]
    chords = rng.sample([pair for pair in combinations(names, 2) if pair not in ring], 4)
    edges = [(one, other, rng.uniform(0.002, 0.02)) for one, other in ring + chords]
    pairs = [(one, other) for one, other in (rng.sample(names, 2) for _ in range(4))]
    net = ready_mesh(edges, *pairs, seed=seed)
    ways = Ways(net)
    cut = [edges[rng.randrange(len(ring))], *rng.sample(edges[len(ring) :], 2)]  # the rest hangs together
    for number in range(300):
        if number in (40, 100, 160):
            net.cut(*cut.pop()[:2])
        for source, destination in pairs:
            ping(net, source, destination, size=24)
        net.run(EVERY_S)
    net.run(1)
    ways.check()
    for name in net.hosts:
        assert counter(net, name, "trains_hop_limit") == 0
    for source, destination in pairs:
        deliver(net, source, destination)
