import pytest

from mycelium.routing.budgets import Budgets
from mycelium.routing.neighbour import DAMPED_COST, Neighbour
from mycelium.timing import Backoff
from mycelium.wire.distance import INFINITY


@pytest.fixture
def neighbour() -> Neighbour:
    return Neighbour(bytes(16), 3, 40, budgets=Budgets(now=0.0), resync=Backoff(1.0, factor=2.0), now=0.0)


def test_a_slot_is_one_bit(neighbour: Neighbour) -> None:
    assert neighbour.bit == 0b1000


def test_a_damped_link_costs_more_until_the_damping_ends(neighbour: Neighbour) -> None:
    neighbour.damped_until = 10.0
    assert neighbour.cost(now=9.9) == 40 + DAMPED_COST
    assert neighbour.cost(now=10.0) == 40


def test_a_damped_link_stays_usable_however_much_it_costs(neighbour: Neighbour) -> None:
    neighbour.damped_until = 10.0
    neighbour.link_cost = INFINITY - 5
    assert neighbour.cost(now=0.0) == INFINITY - 1


def test_a_suspected_neighbour_is_not_usable_damped_or_not(neighbour: Neighbour) -> None:
    neighbour.suspected = True
    assert neighbour.cost(now=0.0) == INFINITY
    neighbour.damped_until = 10.0
    assert neighbour.cost(now=0.0) == INFINITY


def test_a_new_neighbour_is_due_a_dump_and_no_digest(neighbour: Neighbour) -> None:
    assert (neighbour.dump_due, neighbour.digest_due) == (True, False)
