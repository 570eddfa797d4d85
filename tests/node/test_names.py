"""Names of nodes: announced, signed, told apart, and believed in private networks only."""

import tracemalloc
from ipaddress import IPv6Address
from typing import Any

import pytest

from mycelium.limits import NAME_BYTES
from mycelium.node.names import ADDRESS_NAME_CHARACTERS, FRESH_S, Names, address_name, distinct, is_name
from mycelium.wire.distance import INFINITY
from sim.net.node_net import NodeNet

ONE, TWO, THREE = (IPv6Address(f"{start}::1").packed for start in ("4fc:4001", "4fc:4002", "5aa:a003"))


@pytest.mark.parametrize("name", ["a", "berlin", "berlin-2", "4", "x" * NAME_BYTES])
def test_a_name_is_a_label_of_the_dns(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "-a", "a-", "Berlin", "a.b", "a_b", "ü", "a b", "a\n", "x" * (NAME_BYTES + 1)])
def test_anything_else_is_no_name(name: str) -> None:
    assert not is_name(name)


def test_of_equal_names_the_one_heard_first_stands_and_others_have_their_address_behind_it() -> None:
    announced = [(ONE, b"berlin"), (THREE, b"berlin"), (TWO, b"oslo")]
    assert distinct(announced) == {"berlin": ONE, "berlin-5aaa": THREE, "oslo": TWO}
    assert distinct([(ONE, b"berlin"), (TWO, b"berlin"), (TWO, b"berlin")]) == {"berlin": ONE, "berlin-4fc4": TWO}


def test_a_long_name_stays_within_its_bound() -> None:
    assert [len(name) for name in distinct([(ONE, b"x" * NAME_BYTES), (TWO, b"x" * NAME_BYTES)])] == [NAME_BYTES] * 2


def test_what_can_be_no_name_is_left_out() -> None:
    assert distinct([(ONE, b""), (TWO, b"\xff\x00"), (THREE, b"Not a name")]) == {}


def test_each_node_has_a_name_from_its_address() -> None:
    names = {address_name(node) for node in (ONE, TWO, THREE)}
    assert len(names) == 3
    assert all(len(name) == ADDRESS_NAME_CHARACTERS and is_name(name) for name in names)


def pair(*, private: bool) -> NodeNet:
    """Two nodes that announce names, and their link."""
    net = NodeNet()
    for host, name in (("a", b"berlin"), ("b", b"oslo")):
        net.add(host, psk=(b"k" if private else b"\0") * 32, announced=name)
    net.join("a", "b")
    net.run(10, lambda: net.hosts["b"].address in net.hosts["a"].node.routing.forwarding.next_hop)
    return net


def test_nodes_know_each_others_names_and_find_each_other_by_them() -> None:
    net = pair(private=True)
    a, b = (net.hosts[name].address for name in "ab")
    names = Names(net.hosts["a"].node.routing, is_private=True)
    assert dict(names.nodes(now=net.now)) == {"berlin": a, "oslo": b}
    assert (names.name_of(b, now=net.now), names.name_of(TWO, now=net.now)) == ("oslo", None)
    assert names.find("oslo", now=net.now) == names.find(address_name(b), now=net.now) == b
    assert names.find("paris", now=net.now) is None
    assert names.find("x" * ADDRESS_NAME_CHARACTERS, now=net.now) is None


def test_in_the_open_network_no_name_is_believed_but_that_of_the_address() -> None:
    net = pair(private=False)
    b = net.hosts["b"].address
    names = Names(net.hosts["a"].node.routing, is_private=False)
    assert not names.nodes(now=net.now)
    assert names.name_of(b, now=net.now) is None
    assert names.find("oslo", now=net.now) is None
    assert names.find(address_name(b), now=net.now) == b


def test_names_are_looked_at_again_after_a_second() -> None:
    net = pair(private=True)
    names = Names(net.hosts["a"].node.routing, is_private=True)
    assert "oslo" in names.nodes(now=net.now)
    began, b = net.now, net.hosts["b"].address
    net.stop("b", says_goodbye=True)
    net.run(60, lambda: net.hosts["a"].node.routing.metric(b) == INFINITY)
    assert "oslo" in names.nodes(now=began + FRESH_S / 2)
    assert "oslo" not in names.nodes(now=net.now + FRESH_S)


class ManyNodes:
    """Stands in for routing: a thousand nodes with names."""

    def __init__(self) -> None:
        self.asked = 0
        self.nodes = [
            (IPv6Address((0x4FC << 116) + (number << 64)).packed, b"node-%d" % number) for number in range(1_000)
        ]

    def names(self) -> list[tuple[bytes, bytes]]:
        self.asked += 1
        return self.nodes


def test_a_thousand_names_take_less_than_a_mebibyte_and_look_ups_walk_no_table() -> None:
    routing: Any = ManyNodes()
    tracemalloc.start()
    names = Names(routing, is_private=True)
    for node, name in routing.nodes:
        assert names.find(name.decode(), now=1_000.0) == node
        assert names.find_by_address(address_name(node), now=1_000.0) == node
        assert names.name_of(node, now=1_000.0) == name.decode()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 1 << 20
    assert routing.asked == 2  # once for each kind of name
    names.find("node-1", now=1_000.0 + FRESH_S)
    assert routing.asked == 3
