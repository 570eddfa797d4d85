"""What ends by time, what is remembered beyond it, and links that come and go."""

from mycelium.routing.parameters import RoutingParameters
from mycelium.wire.control import Update
from mycelium.wire.distance import INFINITY, distance
from tests.routing.engines import address, announcement
from tests.routing.lab import RoutingLab, retraction, seq, update

FAR = 9
QUIET = RoutingParameters(digest_s=1e9, bump_s=1e9)


def lost(lab: RoutingLab) -> None:
    """Leaves node 0 with a source entry for FAR and no route."""
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.says(1, retraction(FAR))
    lab.flush()


def test_a_feasibility_distance_outlives_the_route_by_three_minutes() -> None:
    lab = RoutingLab()
    lost(lab)
    lab.wait(170.0)
    lab.says(2, update(FAR, 70))
    assert lab.next_hop(FAR) is None
    lab.wait(20.0)
    assert lab.next_hop(FAR) == 2


def test_a_feasibility_distance_stays_while_a_neighbour_holds_our_route() -> None:
    lab = RoutingLab(QUIET)
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 50))
    lab.wait(3_000.0)
    lab.says(3, update(FAR, 70))
    lab.down(1)
    assert lab.next_hop(FAR) is None


def test_a_feasibility_distance_ends_three_minutes_after_the_last_holder_is_gone() -> None:
    lab = RoutingLab(QUIET)
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.down(2)
    lab.wait(190.0)
    lab.engine.neighbour_up(address(3), 10, now=lab.now)
    lab.says(3, update(FAR, 70))
    lab.down(1)
    assert lab.next_hop(FAR) == 3


def test_a_route_that_came_back_in_time_keeps_its_feasibility_distance() -> None:
    lab = RoutingLab(QUIET)
    lost(lab)
    lab.wait(100.0)
    lab.says(1, update(FAR, 50, 1))
    lab.wait(200.0)
    lab.says(2, update(FAR, 70, 1))
    lab.down(1)
    assert lab.next_hop(FAR) is None


def test_a_node_without_routes_is_forgotten_after_its_source() -> None:
    lab = RoutingLab()
    lost(lab)
    lab.wait(200.0)
    assert (lab.count("destinations"), lab.count("forgotten_sources"), lab.resolved(FAR)) == (1, 1, None)
    assert address(FAR)[:8] not in lab.engine.forwarding.owner


def test_an_older_sequence_of_a_forgotten_node_is_refused_and_answered_with_the_newest() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50, 5), retraction(FAR))
    lab.wait(200.0)
    lab.says(2, update(FAR, 50, 4))
    assert (lab.next_hop(FAR), lab.count("announcements_stale")) == (None, 1)
    assert lab.flush()[2] == [Update(address(FAR), distance(seq(5), INFINITY), announcement(FAR, seq(5)))]


def test_a_forgotten_node_may_come_back_with_the_same_sequence() -> None:
    lab = RoutingLab()
    lost(lab)
    lab.wait(200.0)
    lab.says(2, update(FAR, 500))
    assert (lab.next_hop(FAR), lab.count("forgotten_sources")) == (2, 0)


def test_the_newest_sequence_is_remembered_for_a_day() -> None:
    lab = RoutingLab(QUIET)
    lab.up(1, 2)
    lab.says(1, update(FAR, 50, 5), retraction(FAR))
    lab.wait(23 * 3_600.0)
    lab.says(2, update(FAR, 50, 4))
    assert lab.next_hop(FAR) is None
    lab.wait(2 * 3_600.0)
    assert lab.count("forgotten_sources") == 0
    lab.says(2, update(FAR, 50, 4))
    assert lab.next_hop(FAR) == 2


def test_a_sequence_that_stands_still_for_three_hours_expires_the_node() -> None:
    lab = RoutingLab(QUIET)
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.flush()
    told = lab.wait(3 * 3_600.0 + 700.0)
    assert (lab.next_hop(FAR), lab.count("expired_nodes")) == (None, 1)
    assert lab.updates(told, FAR) == {2: [(0, INFINITY)]}


def test_an_expired_sequence_brings_nobody_back_but_a_newer_one_does() -> None:
    lab = RoutingLab(QUIET)
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.wait(3 * 3_600.0 + 700.0)
    lab.says(2, update(FAR, 50))
    assert lab.next_hop(FAR) is None
    lab.says(2, update(FAR, 5_000, 1))
    assert lab.next_hop(FAR) == 2


def test_a_node_that_advances_hourly_never_expires() -> None:
    lab = RoutingLab(QUIET)
    lab.up(1)
    for hour in range(10):
        lab.says(1, update(FAR, 50, hour))
        lab.wait(3_600.0)
    assert lab.next_hop(FAR) == 1


def test_a_node_too_far_away_to_be_reached_is_forgotten_too() -> None:
    lab = RoutingLab(QUIET)
    lab.up(1)
    lab.says(1, update(FAR, INFINITY - 1))
    assert (lab.next_hop(FAR), lab.count("destinations")) == (None, 2)
    lab.says(1, retraction(FAR))
    lab.wait(QUIET.sweep_s + QUIET.source_s)
    assert lab.count("destinations") == 1
