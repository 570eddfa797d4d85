"""A link that dies again and again is passed over where there is another way, and used where there is none."""

import pytest

from mycelium.limits import STARTS_AT_ONCE
from mycelium.routing.neighbour import DAMPED_COST
from mycelium.routing.starts import POSTPONED_S
from tests.routing.engines import address
from tests.routing.lab import RoutingLab, update

FAR = 9


def with_two_neighbours() -> RoutingLab:
    """Neighbour 1 is near and will flap, neighbour 2 is there all the time."""
    lab = RoutingLab()
    lab.up(2)
    lab.says(2, update(FAR, 900))
    return lab


def flap(lab: RoutingLab, times: int, *, lived_s: float = 0.0) -> None:
    for _ in range(times):
        lab.up(1)
        lab.says(1, update(FAR, 50))
        lab.wait(lived_s)
        lab.down(1)


def passed_over_s(lab: RoutingLab, counter: int = 0) -> int:
    """Brings the link up; returns for how many seconds its better route is not taken."""
    lab.up(1)
    lab.says(1, update(FAR, 50, counter))
    began = lab.now
    while lab.next_hop(FAR) != 1:
        lab.wait(0.25)
    return round(lab.now - began)


def test_two_deaths_are_free_and_each_further_one_costs_more_up_to_half_a_minute() -> None:
    lab = with_two_neighbours()
    passed_over = []
    for counter in range(9):
        lab.says(2, update(FAR, 900, counter))  # or there would be no other way
        passed_over.append(passed_over_s(lab, counter))
        lab.down(1)
    assert passed_over == [0, 0, 0, 1, 2, 4, 8, 16, 30]


def test_a_link_that_lived_for_a_minute_starts_afresh() -> None:
    lab = with_two_neighbours()
    flap(lab, 5, lived_s=61.0)
    assert passed_over_s(lab) == 0


def test_the_only_link_is_never_damped() -> None:
    lab = RoutingLab()
    flap(lab, 10, lived_s=POSTPONED_S)
    lab.up(1)
    lab.says(1, update(FAR, 50))
    assert (lab.next_hop(FAR), lab.metric(FAR)) == (1, 60)
    assert lab.count("damped") == 0


def test_a_link_beside_a_suspected_one_is_not_damped() -> None:
    lab = with_two_neighbours()
    flap(lab, STARTS_AT_ONCE - 1)
    lab.engine.neighbour_suspect(address(2), True, now=lab.now)
    assert passed_over_s(lab) == 0


def test_what_only_a_damped_link_leads_to_stays_reachable() -> None:
    lab = with_two_neighbours()
    flap(lab, STARTS_AT_ONCE - 1)
    lab.up(1)
    lab.says(1, update(FAR, 50), update(7, 80))
    assert (lab.next_hop(FAR), lab.next_hop(7)) == (2, 1)
    assert lab.metric(7) == 80 + 10 + DAMPED_COST
    lab.down(2)
    assert lab.next_hop(FAR) == 1
    lab.wait(20.0)
    assert lab.metric(7) == 80 + 10


def test_a_new_epoch_clears_the_damping() -> None:
    lab = with_two_neighbours()
    for _ in range(4):
        lab.up(1)
        lab.says(1, update(1, 0, epoch=20))
        lab.down(1)
    lab.up(1)
    lab.says(1, update(1, 0, epoch=20), update(FAR, 50))
    assert lab.next_hop(FAR) == 2
    lab.says(1, update(1, 0, epoch=21))
    assert (lab.next_hop(1), lab.next_hop(FAR)) == (1, 1)


def test_failures_are_remembered_of_a_bounded_number_of_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.routing.damping.NEIGHBOURS", 3)
    lab = with_two_neighbours()
    flap(lab, 6)
    for name in (5, 6, 7):
        lab.up(name)
        lab.down(name)
    lab.wait(POSTPONED_S)
    assert passed_over_s(lab) == 0
