"""A neighbour that starts its control stream again and again is not heard for a while, and then with all it has to say."""

import pytest

from mycelium.limits import STARTS_AT_ONCE
from mycelium.routing.excess import STARTS
from mycelium.routing.starts import POSTPONED_S, PostponedStarts
from mycelium.wire.control import ANY_NODE, RouteRequest
from mycelium.wire.distance import INFINITY
from tests.routing.engines import address
from tests.routing.lab import RoutingLab, update


@pytest.fixture
def lab() -> RoutingLab:
    """Node 1 has started as often as it may, and once more; nodes 2 and 3 are bystanders, and 9 is behind 1 and 2."""
    lab = RoutingLab()
    lab.up(2, 3)
    lab.says(2, update(9, 12))
    for _ in range(STARTS_AT_ONCE):
        lab.up(1)
    lab.says(1, update(9, 5))
    lab.flush()
    assert lab.next_hop(9) == 1
    assert not lab.engine.neighbour_up(address(1), 10, now=lab.now)
    return lab


def test_a_start_is_due_after_a_while() -> None:
    starts = PostponedStarts()
    starts.postpone(address(1), 10, now=5.0)
    assert starts.next_deadline() == 5.0 + POSTPONED_S
    assert starts.take_due(now=4.9 + POSTPONED_S) == []
    assert [neighbour for neighbour, _ in starts.take_due(now=5.0 + POSTPONED_S)] == [address(1)]
    assert starts.next_deadline() == float("inf")


def test_routes_of_a_postponed_neighbour_are_void_and_it_is_not_heard(lab: RoutingLab) -> None:
    assert lab.next_hop(9) == 2
    lab.says(1, update(9, 5))
    assert lab.next_hop(9) == 2


def test_further_starts_cost_nobody_anything(lab: RoutingLab) -> None:
    lab.flush()
    choices = lab.engine.choices
    for _ in range(100):
        assert not lab.engine.neighbour_up(address(1), 10, now=lab.now)
        lab.says(1, update(9, 5))
        assert lab.flush() == {}
    assert lab.engine.choices == choices


def test_it_is_heard_again_and_asked_for_its_table(lab: RoutingLab) -> None:
    told = lab.wait(POSTPONED_S + 0.1)
    assert RouteRequest(ANY_NODE) in told[1]
    lab.says(1, update(9, 5))
    assert lab.next_hop(9) == 1


def test_what_its_link_did_meanwhile_counts(lab: RoutingLab) -> None:
    lab.engine.neighbour_cost(address(1), 7, now=lab.now)
    lab.engine.neighbour_suspect(address(1), True, now=lab.now)
    lab.wait(POSTPONED_S + 0.1)
    assert lab.engine.link_costs()[address(1)] == INFINITY
    lab.engine.neighbour_suspect(address(1), False, now=lab.now)
    assert lab.engine.link_costs()[address(1)] == 7


def test_a_link_that_ends_meanwhile_stays_down(lab: RoutingLab) -> None:
    lab.down(1)
    lab.wait(2 * POSTPONED_S)
    assert address(1) not in lab.engine.link_costs()


def test_a_neighbour_that_starts_seldom_is_never_postponed() -> None:
    lab = RoutingLab()
    for _ in range(50):
        assert lab.engine.neighbour_up(address(1), 10, now=lab.now)
        lab.wait(POSTPONED_S)


def flap(lab: RoutingLab, *, is_noticed: bool) -> None:
    """Has the link to node 1 fail, at one of its ends alone unless `is_noticed`, and both ends start streams."""
    lab.engine.neighbour_suspect(address(1), True, now=lab.now)
    lab.wait(1.0)
    if is_noticed:
        lab.down(1)
        lab.up(1)
    lab.up(1)  # the other end's stream arrives
    lab.engine.neighbour_suspect(address(1), False, now=lab.now)
    lab.wait(1.0)


@pytest.mark.parametrize("is_noticed", [True, False])
def test_a_link_that_flaps_is_no_fault_of_the_neighbours(is_noticed: bool) -> None:
    lab = RoutingLab()
    lab.up(1)
    for _ in range(5 * STARTS_AT_ONCE):
        flap(lab, is_noticed=is_noticed)
    assert lab.count("starts_postponed") > 0
    assert lab.engine.excesses.take() == []


def test_who_starts_again_and_again_is_named_also_while_it_is_not_heard_and_its_link_has_failed() -> None:
    lab = RoutingLab()
    lab.up(1)
    for _ in range(STARTS_AT_ONCE):
        flap(lab, is_noticed=True)
    for _ in range(STARTS_AT_ONCE + 1):
        assert lab.engine.excesses.take() == []
        lab.engine.neighbour_up(address(1), 10, now=lab.now)
    assert lab.engine.excesses.take() == [(address(1), STARTS)]
