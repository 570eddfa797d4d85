"""Links between engines: sessions, what a short break does, and when its ends notice."""

from itertools import chain

import pytest

from mycelium.routing.engine import RoutingEngine
from mycelium.wire.distance import INFINITY
from sim.net.routing_mesh import RoutingMesh, RoutingSettings


@pytest.fixture
def pair() -> RoutingMesh:
    """Two nodes, 10 ms apart, that know each other."""
    mesh = RoutingMesh(seed=1, link_defaults={}, settings=RoutingSettings())
    mesh.add_link(0, 1, delay_s=0.01).open()
    mesh.start(0)
    mesh.start(1)
    mesh.run(1.0)
    assert mesh.carries(0, 1)
    assert mesh.carries(1, 0)
    return mesh


def routes(mesh: RoutingMesh, node: int) -> int:
    engine = mesh.engine(node)
    assert engine is not None
    return len(engine.forwarding.next_hop)


def test_a_link_comes_up_by_a_handshake_of_one_and_a_half_round_trips() -> None:
    mesh = RoutingMesh(seed=1, link_defaults={}, settings=RoutingSettings())
    mesh.add_link(0, 1, delay_s=0.01).open()
    mesh.start(0)
    mesh.start(1)
    mesh.run(0.0299)
    assert not mesh.carries(0, 1)
    mesh.run(0.0301)
    assert mesh.carries(0, 1)


def test_a_silent_cut_is_noticed_after_the_detection_time_and_not_before(pair: RoutingMesh) -> None:
    pair.cut(0, 1)
    pair.run(1.199)
    assert (routes(pair, 0), routes(pair, 1)) == (1, 1)
    pair.run(1.201)
    assert (routes(pair, 0), routes(pair, 1)) == (0, 0)


def test_a_break_that_nobody_notices_loses_nothing_and_ends_no_session(pair: RoutingMesh) -> None:
    engine = pair.engine(0)
    assert engine is not None
    pair.cut(0, 1)
    pair.add_link(0, 2, delay_s=0.01).open()
    pair.start(2)  # what node 0 says of it goes into the broken link
    pair.run(1.15)
    assert routes(pair, 1) == 1
    pair.mend(0, 1)
    pair.run(3.0)
    assert routes(pair, 1) == 2
    assert engine.counters.updates_sent < 6


def test_a_link_mended_after_its_death_was_noticed_starts_afresh(pair: RoutingMesh) -> None:
    pair.cut(0, 1)
    pair.run(2.0)
    pair.mend(0, 1)
    pair.run(3.0)
    assert (routes(pair, 0), routes(pair, 1)) == (1, 1)


def test_one_cut_direction_is_a_dead_link_but_the_other_still_carries(pair: RoutingMesh) -> None:
    pair.cut(0, 1, one_way=True)
    assert not pair.carries(0, 1)
    assert pair.carries(1, 0)
    pair.run(2.0)
    assert (routes(pair, 0), routes(pair, 1)) == (0, 0)


def test_a_node_that_restarts_before_anyone_noticed_is_told_everything_anew(pair: RoutingMesh) -> None:
    pair.stop(1)
    assert pair.engine(1) is None
    pair.start(1)
    pair.run(2.0)
    assert (routes(pair, 0), routes(pair, 1)) == (1, 1)


def test_a_suspected_link_is_left_out_before_it_is_dead() -> None:
    mesh = RoutingMesh(seed=1, link_defaults={}, settings=RoutingSettings(suspicion_s=0.05))
    mesh.add_link(0, 1, delay_s=0.01).open()
    mesh.start(0)
    mesh.start(1)
    mesh.run(1.0)
    mesh.cut(0, 1)
    mesh.run(1.1)
    engine = mesh.engine(0)
    assert engine is not None
    assert engine.link_costs() == {mesh.address(1): INFINITY}


def test_a_link_that_is_removed_is_gone_for_ever(pair: RoutingMesh) -> None:
    pair.remove_link(0, 1)
    pair.run(2.0)
    assert routes(pair, 0) == 0
    assert (0, 1) not in pair.links


def test_a_changed_delay_is_a_changed_cost_at_both_ends(pair: RoutingMesh) -> None:
    pair.reshape(0, 1, delay_s=0.05)
    pair.run(2.0)
    for node, other in ((0, 1), (1, 0)):
        engine = pair.engine(node)
        assert engine is not None
        assert engine.link_costs() == {pair.address(other): 5_030}


def test_no_timer_is_set_twice_for_one_time_and_none_is_forgotten(pair: RoutingMesh) -> None:
    for cost in range(100, 120):  # each is told in a batch of its own, after which the next digest is what is due
        pair.reshape(0, 1, cost=cost)
        pair.run(pair.now + 0.5)
    events = [*pair.heap._due, *chain.from_iterable(pair.heap._later.values())]
    timers = [(when, arguments[0].index) for when, _, _, arguments in events]
    assert len(timers) == len(set(timers))
    for node in (0, 1):
        engine = pair.engine(node)
        assert engine is not None
        assert (engine.next_deadline(), node) in timers


def test_an_engine_is_woken_as_often_as_it_wants_to_be_at_one_time(
    pair: RoutingMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = pair.engine(0)
    woken: list[float] = []
    monkeypatch.setattr(engine, "handle_timeout", lambda *, now: woken.append(now))
    monkeypatch.setattr(engine, "next_deadline", lambda: 2.0 if len(woken) < 3 else INFINITY)
    pair.reshape(0, 1, cost=100)
    pair.run(3.0)
    assert woken == [2.0, 2.0, 2.0]


def test_a_restarted_engine_is_woken_also_at_a_time_at_which_the_one_before_it_would_be(
    pair: RoutingMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[float] = []
    monkeypatch.setattr(RoutingEngine, "handle_timeout", lambda engine, *, now: woken.append(now))
    monkeypatch.setattr(RoutingEngine, "next_deadline", lambda engine: INFINITY if woken else 2.0)
    pair.reshape(0, 1, cost=100)
    pair.stop(0)
    pair.stop(1)
    pair.start(0)
    pair.run(3.0)
    assert woken == [2.0]
