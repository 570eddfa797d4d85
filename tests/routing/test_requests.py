"""Asking for newer sequences, and being asked."""

import pytest

from mycelium.limits import REQUEST_HOPS
from mycelium.routing import requests as requests_module
from mycelium.wire.control import SeqnoRequest
from mycelium.wire.distance import INFINITY
from tests.routing.engines import address
from tests.routing.lab import RoutingLab, retraction, seq, update

FAR = 9


def starving(lab: RoutingLab) -> None:
    """Leaves node 0 with two unfeasible routes to FAR, through 2 and, worse, 3."""
    lab.up(1, 2, 3, 4)
    lab.says(1, update(FAR, 50))
    lab.says(2, update(FAR, 70))
    lab.says(3, update(FAR, 80))
    lab.flush()
    lab.says(1, retraction(FAR))


def ask(counter: int, hops: int = 10) -> SeqnoRequest:
    return SeqnoRequest(address(FAR), seq(counter), hops)


def test_a_starving_node_retracts_and_asks_the_best_unfeasible_neighbour_in_one_batch() -> None:
    lab = RoutingLab()
    starving(lab)
    told = lab.wait(0.003)
    assert lab.updates(told, FAR) == {2: [(0, INFINITY)], 3: [(0, INFINITY)], 4: [(0, INFINITY)]}
    assert lab.requests(told) == [(2, SeqnoRequest(address(FAR), seq(1), REQUEST_HOPS))]


def test_a_request_without_answer_is_tried_with_others_on_the_scale_of_the_path() -> None:
    lab = RoutingLab()
    starving(lab)
    lab.flush()
    assert lab.requests(lab.wait(0.08)) == []
    assert [name for name, _ in lab.requests(lab.wait(0.03))] == [3]
    assert [name for name, _ in lab.requests(lab.wait(0.2))] == [2]
    assert len(lab.requests(lab.wait(1.3))) == 2
    assert lab.requests(lab.wait(30.0)) == []


def test_a_long_path_is_given_two_of_its_round_trips() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 20_000))
    lab.says(2, update(FAR, 30_000))
    lab.flush()
    lab.says(1, retraction(FAR))
    lab.flush()
    assert lab.requests(lab.wait(0.55)) == []
    assert len(lab.requests(lab.wait(0.1))) == 1


def test_an_unfeasible_route_that_is_merely_better_is_asked_for_too() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 50))
    lab.says(2, update(FAR, 59))
    lab.flush()
    lab.engine.neighbour_cost(address(1), 1_000, now=lab.now)
    lab.flush()
    lab.engine.neighbour_cost(address(2), 900, now=lab.now)
    lab.flush()
    lab.says(3, update(FAR, 400))
    assert lab.next_hop(FAR) == 2
    assert lab.requests(lab.flush()) == [(3, SeqnoRequest(address(FAR), seq(1), REQUEST_HOPS))]


def test_a_link_that_gets_cheaper_makes_its_unfeasible_route_worth_asking_for() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.up(3, cost=1_000)
    lab.says(1, update(FAR, 50))
    lab.says(3, update(FAR, 70))
    lab.flush()
    lab.engine.neighbour_cost(address(1), 500, now=lab.now)
    assert lab.requests(lab.flush()) == []
    lab.engine.neighbour_cost(address(3), 10, now=lab.now)
    assert [name for name, _ in lab.requests(lab.flush())] == [3]


def test_an_answer_ends_the_asking() -> None:
    lab = RoutingLab()
    starving(lab)
    lab.flush()
    lab.says(2, update(FAR, 70, 1))
    assert (lab.next_hop(FAR), lab.count("pending_requests")) == (2, 0)
    assert lab.requests(lab.wait(10.0)) == []


def test_retracted_routes_are_not_asked_for() -> None:
    lab = RoutingLab()
    starving(lab)
    lab.says(2, retraction(FAR))
    lab.says(3, retraction(FAR))
    lab.flush()
    assert lab.requests(lab.wait(10.0)) == []


def test_a_suspected_neighbours_route_is_waited_for_a_moment() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.says(2, update(FAR, 70))
    lab.flush()
    lab.engine.neighbour_suspect(address(1), True, now=lab.now)
    assert lab.requests(lab.wait(0.09)) == []
    assert [name for name, _ in lab.requests(lab.wait(0.05))] == [2]


def test_the_death_of_a_neighbour_costs_no_look_at_lost_nodes_that_it_told_nothing_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    for name in (1, 2, 3):
        lab.says(name, update(name, 0))
    lab.down(1)
    looked_at: list[bytes] = []
    monkeypatch.setattr(requests_module.Requests, "ask", lambda _, row, now: looked_at.append(row.node))
    lab.down(2)
    lab.down(3)
    assert looked_at == [address(2), address(3)]


def test_the_death_of_a_suspected_neighbour_asks_at_once() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.says(2, update(FAR, 70))
    lab.flush()
    lab.engine.neighbour_suspect(address(1), True, now=lab.now)
    lab.flush()
    lab.down(1)
    assert [name for name, _ in lab.requests(lab.wait(0.003))] == [2]


def test_a_request_that_the_selected_route_satisfies_is_answered() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50, 3))
    lab.flush()
    lab.says(2, ask(3))
    told = lab.wait(0.003)
    assert (lab.updates(told, FAR), lab.requests(told)) == ({2: [(3, 60)]}, [])


def test_a_request_goes_to_the_selected_next_hop_only_with_a_hop_less() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 50))
    lab.says(3, update(FAR, 55))
    lab.flush()
    lab.says(2, ask(1))
    assert lab.requests(lab.flush()) == [(1, ask(1, hops=9))]


def test_of_two_equal_routes_a_request_goes_along_the_selected_one() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(2, update(FAR, 50))
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.says(3, ask(1))
    assert lab.requests(lab.flush()) == [(2, ask(1, hops=9))]


def test_a_request_never_goes_back_to_its_asker_nor_to_a_retracted_route() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 50))
    lab.says(3, update(FAR, 55), retraction(FAR))
    lab.flush()
    lab.says(1, ask(1))
    assert lab.requests(lab.flush()) == []
    assert lab.count("requests_dropped") == 1


def test_a_request_out_of_hops_ends() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.says(2, ask(1, hops=1))
    assert (lab.requests(lab.flush()), lab.count("pending_requests")) == ([], 0)


def test_the_same_request_of_two_neighbours_goes_on_once_and_both_are_answered() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.says(2, ask(1))
    lab.says(3, ask(1))
    assert lab.requests(lab.flush()) == [(1, ask(1, hops=9))]
    lab.says(1, update(FAR, 50, 1))
    assert lab.updates(lab.wait(0.003), FAR) == {2: [(1, 60)], 3: [(1, 60)]}


def test_a_retried_request_is_passed_on_again() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.says(2, ask(1))
    lab.wait(0.1)
    lab.says(2, ask(1))
    assert lab.requests(lab.flush()) == [(1, ask(1, hops=9))]


def test_only_who_asked_is_answered_at_once_others_lazily() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.says(2, ask(1))
    lab.flush()
    lab.says(1, update(FAR, 50, 1))
    assert lab.updates(lab.flush(), FAR) == {2: [(1, 60)]}
    assert lab.updates(lab.wait(31.0), FAR) == {3: [(1, 60)]}


def test_an_answer_whose_route_is_lost_before_the_batch_becomes_a_retraction() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.says(2, ask(0))
    lab.says(1, retraction(FAR))
    assert lab.updates(lab.flush(), FAR) == {2: [(0, INFINITY)]}


def test_an_asker_that_is_gone_is_forgotten() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.says(2, ask(1))
    lab.flush()
    lab.down(2)
    lab.up(3)  # takes the slot
    lab.says(1, update(FAR, 50, 1))
    assert lab.updates(lab.flush(), FAR) == {}


def test_what_others_asked_is_forgotten_after_a_while() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.says(2, ask(1))
    assert lab.count("pending_requests") == 1
    lab.wait(11.0)
    assert lab.count("pending_requests") == 0


def test_requests_that_wait_are_bounded_and_those_beyond_the_bound_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_module, "PENDING_REQUESTS", 3)
    lab = RoutingLab()
    lab.up(1, 2)
    for name in range(FAR, FAR + 5):
        lab.says(1, update(name, 50))
        lab.says(2, update(name, 70))
    lab.flush()
    lab.says(1, *(retraction(name) for name in range(FAR, FAR + 5)))
    assert len(lab.requests(lab.flush())) == lab.count("pending_requests") == 3
    assert lab.count("requests_dropped") == 2


def test_requests_of_others_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_module, "PENDING_REQUESTS", 1)
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50), update(FAR + 1, 50))
    lab.flush()
    lab.says(2, ask(1), SeqnoRequest(address(FAR + 1), seq(1), 9))
    assert lab.requests(lab.flush()) == [(1, ask(1, hops=9))]
    assert lab.count("requests_dropped") == 1
