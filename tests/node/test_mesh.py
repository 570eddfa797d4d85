"""Meshes of whole nodes heal, part and merge; whatever happens, who can reach each other do, and nothing goes astray."""

import os
import subprocess
import sys
from collections import Counter
from itertools import combinations, pairwise
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mycelium.identity import Identity
from sim.net.network import url_of
from sim.net.node_net import NodeNet
from tests.support.examples import examples
from tests.support.small_meshes import (
    counter,
    data_of,
    deliver,
    is_whole,
    ping,
    ping_packet,
    ping_until_answered,
    reaches,
    ready_pair,
    received,
)


def ring(names: str, delay: float = 0.005, seed: int = 0) -> NodeNet:
    """Returns a ring whose hosts all reach each other."""
    net = NodeNet(seed)
    for name in names:
        net.add(name)
    for one, other in pairwise(names + names[0]):
        net.join(one, other, delay)
    net.run(10, until=lambda: is_whole(net))
    net.run(1)
    return net


def test_a_ring_with_a_cut_heals_in_a_fraction_of_a_second() -> None:
    net = ring("abcd")
    deliver(net, "a", "b")
    for _ in range(200):
        ping(net, "a", "b")
        net.run(0.01)
    net.cut("a", "b")
    assert ping_until_answered(net, "a", "b", within=2) < 0.35
    net.run(2)
    for source, destination in combinations("abcd", 2):
        ping_until_answered(net, source, destination, within=0.5)


def test_a_node_with_an_imported_key_is_routed_to_and_relays_for_others() -> None:
    net = NodeNet()
    net.add("a")
    net.add("b", identity=Identity.of_exchange_secret(bytes(range(32))))
    net.add("c")
    for one, other in ("ab", "cb"):
        net.join(one, other)
    net.run(10, until=lambda: is_whole(net))
    for source, destination in ("ab", "ba", "ac", "ca"):
        deliver(net, source, destination)
    before = len(net.hosts["a"].delivered)
    net.send("a", ping_packet(net, "a", "c", b"too far", hop_limit=1))
    net.run(1, until=lambda: len(net.hosts["a"].delivered) > before)  # of an error that the imported key has signed
    assert counter(net, "b", "relay_errors_sent") == 1


def test_a_mended_ring_goes_back_to_its_shortest_ways() -> None:
    net = ring("abcd")
    net.cut("a", "b")
    net.run(5)
    net.mend("a", "b")
    net.run(10)
    for name in "abcd":
        node = net.hosts[name].node
        for neighbour, link in node.links.items():
            assert node.routing.forwarding.next_hop[neighbour] == link.address


def test_a_slow_link_is_avoided_where_a_way_round_is_quicker() -> None:
    net = ring("abc")
    for wire in net.both("a", "b"):
        wire.reshape(delay_s=0.1)
    net.run(10)
    ab = net.hosts["a"].node.routing.forwarding.next_hop[net.hosts["b"].address]
    assert ab == net.hosts["c"].address
    assert deliver(net, "a", "b") < 0.05


def test_a_partition_is_noticed_and_its_end_too() -> None:
    net = ring("abcdef")
    net.cut("a", "b")
    net.cut("d", "e")
    net.run(5)
    for one, other in combinations("abcdef", 2):
        assert reaches(net, one, other) is ((one in "bcd") is (other in "bcd"))
    net.run(40)
    net.mend("a", "b")
    net.mend("d", "e")
    assert net.run(20, until=lambda: is_whole(net)) < 10
    for one, other in combinations("abcdef", 2):
        ping_until_answered(net, one, other, within=1.5)


def test_a_node_that_joins_is_reached_by_all_at_once() -> None:
    net = ring("abcd")
    net.add("e")
    net.join("e", "c")
    assert net.run(2, until=lambda: is_whole(net)) < 0.2
    deliver(net, "a", "e", within=0.2)


def test_a_node_that_left_is_gone_everywhere_at_once() -> None:
    net = ring("abcd")
    address = net.hosts["d"].address
    net.close("d")
    net.run(0.1)
    for host in net.hosts.values():
        assert address not in host.node.routing.forwarding.next_hop


def test_a_quiet_mesh_loses_no_link() -> None:
    net = ring("abc")
    net.run(900)
    for host in net.hosts.values():
        assert host.deaths == []
        assert len(host.node.routing.forwarding.next_hop) == 2


# -- the same run twice ------------------------------------------------------------------------------------------------

RUN = """
from tests.node.test_mesh import story
print(story())
"""


def story() -> str:
    """Returns what happens in an eventful mesh: all that can be seen but sealed bytes, which hold the KEM's own chance."""
    net = ring("dbcae", seed=9)
    for one, other in list(net.wires):
        net.wires[one, other].reshape(loss=0.02, reorder=0.5, reorder_s=0.003)
    net.capture = []
    for round_number in range(4):
        for one, other in combinations("abcde", 2):
            ping(net, one, other)
        if round_number == 1:
            net.cut("a", "e")
        elif round_number == 2:
            net.restart("c")
        elif round_number == 3:
            net.move("d", "far")
        net.run(5)
    lines = [f"{sender} {receiver} {data[0]} {len(data)}" for sender, receiver, data in net.capture]
    for name, host in sorted(net.hosts.items()):
        lines += [repr(data) for data in received(net, name)]
        lines += [repr(entry) for entry in host.link_events]
        lines += [f"{counter} {value}" for counter, value in host.node.metrics.values().items()]
    return "\n".join(lines)


def test_the_hash_seed_changes_nothing() -> None:
    runs = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", RUN]
        root = Path(__file__).parents[2]
        done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=True)
        runs.append(done.stdout)
    assert runs[0].count("\n") > 1_000
    assert runs[0] == runs[1]


# -- anything may happen -----------------------------------------------------------------------------------------------

NAMES = "abcd"
PAIRS = [*combinations(NAMES, 2)]
pairs = st.sampled_from(PAIRS)
names = st.sampled_from(NAMES)


class AnyMesh(RuleBasedStateMachine):
    """Four nodes that all know each other; the model is which wires are whole and which processes run."""

    def __init__(self) -> None:
        super().__init__()
        self.net = NodeNet(1)
        self.moves = 0
        self.long_waits = 0
        self.sent: Counter[bytes] = Counter()
        self.addressee: dict[bytes, str] = {}

    @initialize()
    def start(self) -> None:
        for name in NAMES:
            self.net.add(name)
        for one, other in PAIRS:
            self.net.join(one, other, 0.003)
        self.net.run(1)

    @rule(pair=pairs)
    def cut(self, pair: tuple[str, str]) -> None:
        for one, other in self.between(*pair):
            self.net.wires[one, other].is_open = False

    @rule(pair=pairs, is_back=st.booleans())
    def cut_one_way(self, pair: tuple[str, str], is_back: bool) -> None:
        one, other = pair[::-1] if is_back else pair
        for sender, receiver in self.between(one, other):
            if sender[0] == one:
                self.net.wires[sender, receiver].is_open = False

    @rule(pair=pairs)
    def mend(self, pair: tuple[str, str]) -> None:
        for one, other in self.between(*pair):
            self.net.wires[one, other].is_open = True

    @rule(pair=pairs, loss=st.sampled_from((0.0, 0.05, 0.3)), jitter=st.sampled_from((0.0, 0.002, 0.02)))
    def spoil(self, pair: tuple[str, str], loss: float, jitter: float) -> None:
        for one, other in self.between(*pair):
            self.net.wires[one, other].reshape(loss=loss, duplicate=loss, reorder=0.5, reorder_s=jitter)

    @rule(name=names)
    def restart(self, name: str) -> None:
        self.collect()
        self.net.restart(name)

    @rule(name=names)
    def stop(self, name: str) -> None:
        if name in self.net.hosts:
            self.collect()
            self.net.stop(name)

    @rule(name=names)
    def leave(self, name: str) -> None:
        if name in self.net.hosts:
            self.collect()
            self.net.close(name)

    @precondition(lambda self: self.moves < 6)
    @rule(name=names)
    def move(self, name: str) -> None:
        if name in self.net.hosts:
            self.moves += 1
            self.net.move(name, f"{name}{self.moves}")

    @rule(pair=pairs, is_back=st.booleans(), count=st.integers(1, 5), size=st.sampled_from((40, 1_300, 20_000)))
    def talk(self, pair: tuple[str, str], is_back: bool, count: int, size: int) -> None:
        source, destination = pair[::-1] if is_back else pair
        if source not in self.net.hosts or destination not in self.net.hosts:
            return
        for _ in range(count):
            data = ping(self.net, source, destination, size=size)
            self.sent[data] += 1
            self.addressee[data] = destination

    @rule(seconds=st.sampled_from((0.003, 0.05, 0.3, 1.0, 7.0)))
    def wait(self, seconds: float) -> None:
        self.net.run(seconds)

    @precondition(lambda self: self.long_waits < 2)
    @rule()
    def wait_long(self) -> None:
        self.long_waits += 1
        self.net.run(75)  # what is dead is forgotten

    @invariant()
    def nothing_goes_astray(self) -> None:
        self.collect()

    def teardown(self) -> None:
        if not self.net.hosts:
            return
        for wire in self.net.wires.values():
            wire.is_open = True
            wire.reshape(loss=0.0, reorder=0.0, duplicate=0.0)
        for name in NAMES:
            if name not in self.net.hosts:
                self.net.restart(name)
        self.net.run(60, until=lambda: is_whole(self.net))
        for source, destination in PAIRS:
            ping_until_answered(self.net, source, destination, within=15, every=0.1)
            ping_until_answered(self.net, destination, source, within=15, every=0.1)

    def between(self, one: str, other: str) -> list[tuple[str, str]]:
        """Returns all wires between the addresses of two hosts."""
        return [wire for wire in self.net.wires if {wire[0][0], wire[1][0]} == {one, other}]

    def collect(self) -> None:
        """Takes what came out of every TUN: each packet where it was sent to, and once."""
        for name, host in self.net.hosts.items():
            for packet, _, _ in host.delivered:
                data = data_of(packet)
                if data in self.sent:  # else an error, or a ping of the end
                    assert self.addressee[data] == name
                    self.sent[data] -= 1
                    assert self.sent[data] == 0
            host.delivered.clear()


AnyMesh.TestCase.settings = settings(max_examples=examples(16), stateful_step_count=20)
TestAnyMesh = AnyMesh.TestCase


def test_a_peer_that_is_named_twice_is_one_neighbour() -> None:
    net = ready_pair(pktinfo=True)
    net.add_address("b", "b2")
    net.add_peer("a", url_of("b2"))
    net.add_peer("b", url_of("a"))
    net.run(20)
    assert len(net.hosts["a"].node.links) == len(net.hosts["b"].node.links) == 1
