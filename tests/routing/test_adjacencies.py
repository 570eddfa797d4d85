"""Neighbours come, go and change; what each event does to routes is in the tests of selection, damping and starts."""

from math import inf

import pytest

from mycelium.limits import STARTS_AT_ONCE
from mycelium.routing.metric import FAVOUR
from mycelium.routing.parameters import RoutingParameters
from mycelium.routing.selection import Selection
from mycelium.routing.starts import POSTPONED_S
from mycelium.wire.control import Digest
from tests.routing.engines import address
from tests.routing.lab import RoutingLab, update


def test_nothing_is_due_without_neighbours_and_a_digest_is_with_one() -> None:
    lab, parameters = RoutingLab(), RoutingParameters()
    adjacencies = lab.engine._adjacencies
    assert adjacencies.due_at == inf
    lab.up(1)
    assert 0.8 * parameters.digest_s <= adjacencies.due_at - lab.now + 0.01 <= 1.2 * parameters.digest_s
    lab.down(1)
    lab.wait(parameters.resumed_s - 0.01)
    assert adjacencies.due_at < inf  # what is kept of it ends
    lab.wait(0.02)
    assert adjacencies.due_at == inf


def test_a_digest_that_is_due_costs_other_neighbours_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.wait(1.0)
    monkeypatch.setattr(Selection, "set_cost", None)  # which is not called
    assert any(isinstance(item, Digest) for items in lab.wait(73.0).values() for item in items)


def test_events_of_unknown_neighbours_are_ignored() -> None:
    lab = RoutingLab()
    lab.engine.neighbour_cost(address(1), 7, now=lab.now)
    lab.engine.neighbour_suspect(address(1), True, now=lab.now)
    lab.engine.rename_neighbour(address(1), address(2))
    lab.down(1)
    assert lab.engine.link_costs() == {}


def test_a_neighbour_keeps_routes_and_queue_under_another_name() -> None:
    lab = RoutingLab()
    name = address(1) + b"another"
    lab.engine.neighbour_up(name, 10, now=lab.now)
    lab.engine.receive(name, [update(9, 5)], now=lab.now)
    lab.engine.rename_neighbour(name, address(1))
    assert lab.next_hop(9) == 1
    assert lab.engine.link_costs() == {address(1): 10}


def test_two_processes_of_one_neighbour_share_its_starts() -> None:
    lab = RoutingLab()
    for number in range(STARTS_AT_ONCE):
        assert lab.engine.neighbour_up(address(1) + bytes([number % 2]) * 8, 10, now=lab.now)
    second = address(1) + b"another!"
    assert not lab.engine.neighbour_up(second, 10, now=lab.now)
    lab.engine.rename_neighbour(second, address(1))
    lab.wait(POSTPONED_S + 0.1)
    assert address(1) in lab.engine.link_costs()


def test_a_favoured_neighbour_is_preferred_to_ways_that_are_not_clearly_shorter() -> None:
    lab = RoutingLab()
    lab.up(1, cost=100)
    lab.up(9, cost=220)
    lab.says(1, update(9, 100))
    lab.says(9, update(9, 0))
    assert lab.next_hop(9) == 1
    lab.engine.favour_neighbour(address(9), now=lab.now)
    assert (lab.next_hop(9), lab.metric(9)) == (9, 220 // FAVOUR)
    lab.engine.favour_neighbour(address(9), now=lab.now)
    assert lab.metric(9) == 220 // FAVOUR, "once is enough"
    lab.engine.neighbour_cost(address(9), 240, now=lab.now)
    assert lab.metric(9) == 240 // FAVOUR
    lab.engine.neighbour_cost(address(9), 100 + 200 * FAVOUR, now=lab.now)
    assert lab.next_hop(9) == 1


def test_a_neighbour_is_favoured_until_it_is_down_whatever_its_streams_do() -> None:
    lab = RoutingLab()
    lab.engine.favour_neighbour(address(9), now=lab.now)
    lab.up(9, cost=220)
    lab.up(9, cost=200)
    assert lab.engine.link_costs() == {address(9): 200 // FAVOUR}
    lab.down(9)
    lab.up(9, cost=200)
    assert lab.engine.link_costs() == {address(9): 200}
