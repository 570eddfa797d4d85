"""What ends by time, what is remembered beyond it, and links that come and go."""

import hashlib

from mycelium.routing.parameters import RoutingParameters
from mycelium.wire.control import Digest, RouteRequest, Update
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


def test_an_origin_advances_hourly() -> None:
    lab = RoutingLab()
    lab.wait(10 * 3_600.0)
    assert 9 <= lab.count("sequence_bumps") <= 11


def test_equal_tables_stay_quiet() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, Digest(hashlib.blake2b(digest_size=16).digest(), 0))
    assert (lab.flush(), lab.count("digests_differing")) == ({}, 0)


def test_a_differing_digest_asks_for_the_whole_table() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, Digest(bytes(16), 3))
    assert lab.questions(lab.flush()) == [(1, RouteRequest(bytes(16)))]


def test_tables_that_stay_different_are_asked_for_ever_more_rarely() -> None:
    lab = RoutingLab()
    lab.up(1)
    asked = 0
    for _ in range(100):
        lab.says(1, Digest(bytes(16), 3))
        asked += len(lab.questions(lab.wait(10.0)))
    assert 5 <= asked <= 8


def test_what_a_whole_table_does_not_mention_is_retracted() -> None:
    one, other = RoutingLab(), RoutingLab()
    one.up(5)  # node 0 of the other lab plays neighbour 5 here: only items matter
    one.says(5, update(7, 50), update(8, 60), update(0, 0))
    other.up(1, 2)
    other.says(1, update(7, 50 - 10))
    other.flush()
    other.says(2, RouteRequest(bytes(16)))
    table = other.flush()[2]
    one.says(5, table[-1])  # the digest differs
    assert one.questions(one.flush()) == [(5, RouteRequest(bytes(16)))]
    one.says(5, *table)
    assert (one.metric(7), one.metric(8)) == (60, None)
    one.says(5, table[-1])
    assert one.count("digests_differing") == 2
