"""What the data path and people read."""

from mycelium.routing.counters import RoutingCounters
from mycelium.routing.forwarding import ForwardingTable
from mycelium.routing.snapshot import RouteSnapshot
from mycelium.wire.distance import INFINITY
from tests.routing.engines import address
from tests.routing.lab import RoutingLab, retraction, seq, update

FAR = 9


def test_our_own_subnet_is_ours_from_the_start() -> None:
    assert RoutingLab().engine.forwarding.owner == {address(0)[:8]: address(0)}


def test_a_known_nodes_subnet_is_its_own_and_stays_when_its_route_is_lost() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, update(FAR, 50), retraction(FAR))
    assert lab.engine.forwarding.owner[address(FAR)[:8]] == address(FAR)


def test_a_forgotten_node_owns_nothing() -> None:
    table = RoutingLab().engine._table
    forwarding = ForwardingTable(table, RoutingCounters(), allows_prefix=lambda node, length, bits: True)
    forwarding.claim(address(FAR))
    forwarding.assign(address(FAR), [(8, b"\xfd" + bytes(15))])
    assert {forwarding.owner_of(one) for one in (address(FAR), b"\xfd" + bytes(15))} == {address(FAR)}
    forwarding.release(address(FAR))
    assert {forwarding.owner_of(one) for one in (address(FAR), b"\xfd" + bytes(15))} == {None}


def test_the_version_grows_with_each_change_of_a_next_hop_only() -> None:
    lab = RoutingLab()
    lab.up(1)
    before = lab.engine.forwarding.version
    lab.says(1, update(FAR, 50))
    lab.says(1, update(FAR, 40))
    assert lab.engine.forwarding.version == before + 1


def test_the_alternate_is_the_best_feasible_one_else_the_best_unfeasible_one() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.says(2, update(FAR, 100))
    lab.says(3, update(FAR, 90))
    assert lab.engine.forwarding.alternate(address(FAR)) == address(3)
    lab.says(2, update(FAR, 59))
    assert lab.engine.forwarding.alternate(address(FAR)) == address(2)


def test_the_alternate_is_never_retracted_or_the_next_hop() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 50))
    lab.says(3, update(FAR, 56), retraction(FAR))
    assert lab.engine.forwarding.alternate(address(FAR)) is None
    assert lab.engine.forwarding.alternate(address(8)) is None
    assert lab.engine.forwarding.alternate(address(0)) is None


def test_a_suspected_neighbour_is_the_last_alternate() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.engine.neighbour_suspect(address(1), True, now=lab.now)
    assert lab.next_hop(FAR) is None
    assert lab.engine.forwarding.alternate(address(FAR)) == address(1)
    lab.says(2, update(FAR, 900))
    assert lab.engine.forwarding.alternate(address(FAR), avoid=address(2)) == address(2)


def test_a_node_without_a_selected_route_still_has_an_alternate() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.says(2, update(FAR, 100))
    lab.down(1)
    assert (lab.next_hop(FAR), lab.engine.forwarding.alternate(address(FAR))) == (None, address(2))


def test_on_a_collision_the_incumbent_keeps_the_subnet_until_it_is_forgotten() -> None:
    forwarding = RoutingLab().engine.forwarding
    first, second, third = (address(FAR)[:15] + bytes((last,)) for last in (1, 2, 3))
    for node in (first, second, third):
        forwarding.claim(node)
    subnet = first[:8]
    assert forwarding.owner[subnet] == first
    forwarding.release(second)
    forwarding.release(first)
    assert forwarding.owner[subnet] == third
    forwarding.release(third)
    assert subnet not in forwarding.owner


def test_snapshots_tell_selected_from_fallback_routes() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.says(2, update(FAR, 100))
    assert lab.engine.selected_routes() == [RouteSnapshot(address(FAR), address(1), 60, 50, seq(), True, True)]
    assert lab.engine.fallback_routes() == [RouteSnapshot(address(FAR), address(2), 110, 100, seq(), False, False)]


def test_a_neighbour_from_which_a_node_is_too_far_is_no_alternate() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.says(2, update(FAR, INFINITY - 1))
    assert (lab.next_hop(FAR), lab.engine.forwarding.alternate(address(FAR))) == (1, None)


def test_the_ways_to_a_node_are_its_next_hop_and_then_the_shortest_others_but_no_suspected_ones() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3, 4)
    for name, metric in ((1, 50), (2, 90), (3, 70), (4, 60)):
        lab.says(name, update(FAR, metric))
    ways = lab.engine.forwarding.ways
    assert ways(address(FAR), 9) == [address(name) for name in (1, 4, 3, 2)]
    assert ways(address(FAR), 2) == [address(1), address(4)]
    lab.engine.neighbour_suspect(address(4), True, now=lab.now)
    assert ways(address(FAR), 9) == [address(name) for name in (1, 3, 2)]
    assert ways(address(0), 9) == ways(address(7), 9) == []
