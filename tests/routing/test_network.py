"""Engines talking to each other: what a whole network does."""

import random

import networkx
import pytest

from mycelium.wire.control import Digest, Update
from mycelium.wire.distance import INFINITY
from tests.routing.checked_mesh import CheckedMesh


def ring(size: int, cost: int = 10, seed: int = 0) -> CheckedMesh:
    network = CheckedMesh(range(size), seed=seed)
    for node in range(size):
        network.connect(node, (node + 1) % size, cost)
    network.settle()
    return network


def next_hop(network: CheckedMesh, node: int, destination: int) -> bytes | None:
    return network.engines[node].forwarding.next_hop.get(network.address(destination))


def run_until_reachable(network: CheckedMesh, node: int, destination: int, limit_s: float) -> float:
    began = network.now
    while next_hop(network, node, destination) is None and network.now - began < limit_s:
        network.pass_time(0.005)
    return network.now - began


def test_a_ring_finds_its_shortest_paths() -> None:
    network = ring(6)
    assert next_hop(network, 0, 2) == network.address(1)
    assert next_hop(network, 0, 4) == network.address(5)


@pytest.mark.parametrize("seed", range(8))
def test_a_random_network_survives_random_events_without_a_loop(seed: int) -> None:
    rng = random.Random(seed)
    graph = networkx.barabasi_albert_graph(20, 2, seed=seed)
    network = CheckedMesh(graph, seed=seed)
    for one, other in graph.edges:
        network.connect(one, other, rng.randint(1, 60), rng.randint(1, 60))
    network.settle()
    for _ in range(20):
        network.disturb(rng)
        network.pass_time(rng.uniform(0, 0.1))
    network.settle()
    assert network.loops_checked > 1_000


def test_a_network_whose_work_is_done_in_small_slices_heals_without_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.routing.sweeps.SWEPT_ROWS_AT_ONCE", 3)
    monkeypatch.setattr("mycelium.routing.advertise.TOLD_AT_ONCE", 8)
    monkeypatch.setattr("mycelium.routing.advertise.TOLD_ROWS_AT_ONCE", 1)
    test_a_random_network_survives_random_events_without_a_loop(8)


def test_a_quiet_network_says_nothing_but_digests() -> None:
    network = ring(4)
    network.sent.clear()
    network.pass_time(30.0)
    assert {type(item) for _, _, items in network.sent for item in items} == {Digest}
    assert sum(engine.counters.digests_differing for engine in network.engines.values()) == 0


def test_a_cut_ring_heals_around_the_other_side() -> None:
    network = ring(6)
    network.cut(0, 1)
    network.settle()
    assert next_hop(network, 0, 1) == network.address(5)


def test_a_starving_node_gets_a_route_within_a_few_round_trips() -> None:
    network = ring(6)
    network.cut(0, 1)
    while next_hop(network, 0, 1) is not None:
        network.pass_time(0.001)
    assert run_until_reachable(network, 0, 1, 5.0) < 1.0


def test_a_cut_off_node_is_forgotten_by_everybody_and_found_again() -> None:
    network = ring(5)
    network.cut(1, 2)
    network.cut(2, 3)
    network.settle()
    assert [next_hop(network, node, 2) for node in (0, 1, 3, 4)] == [None] * 4
    network.connect(1, 2, 10)
    network.settle()


def test_partitions_heal() -> None:
    network = ring(6)
    network.cut(0, 1)
    network.cut(3, 4)
    network.settle()
    network.connect(0, 1, 10)
    network.connect(3, 4, 10)
    network.settle()


def test_a_node_restarted_with_its_memory_lost_is_reachable_at_once() -> None:
    network = ring(5)
    network.restart(2, epoch=2)
    network.pass_time(0.5)  # links come up
    assert run_until_reachable(network, 0, 2, 2.0) < 1.0
    network.settle()


@pytest.mark.parametrize("seed", range(5))
def test_a_clock_set_back_locks_nobody_out(seed: int) -> None:
    network = ring(6, seed=seed)
    network.restart(2, epoch=50)
    network.settle()
    network.restart(2, epoch=3)
    network.settle()
    assert network.engines[2].epoch == 50
    assert network.engines[2].counters.sequence_jumps == 1


def test_an_origin_shown_a_newer_sequence_jumps_at_most_once_in_two_seconds() -> None:
    network = ring(3)
    for epoch in (50, 3, 2, 1):
        network.restart(2, epoch=epoch)
        network.pass_time(0.6)
    assert network.engines[2].counters.sequence_jumps <= 1
    network.settle()


def test_a_cut_costs_no_message_where_a_feasible_alternate_is() -> None:
    network = CheckedMesh(range(3))
    network.connect(0, 1, 10)
    network.connect(0, 2, 12)
    network.connect(1, 2, 5)
    network.settle()
    network.suspect(0, 1, True)
    assert next_hop(network, 0, 1) == network.address(2)


def test_count_to_infinity_does_not_happen() -> None:
    network = ring(4)
    network.cut(0, 1)
    network.cut(0, 3)
    network.sent.clear()
    network.pass_time(10.0)
    about_0 = [
        item
        for _, _, items in network.sent
        for item in items
        if isinstance(item, Update) and item.node == network.address(0) and item.metric != INFINITY
    ]
    assert about_0 == []
