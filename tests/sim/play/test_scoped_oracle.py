"""The oracle of a mesh with more nodes than its tables hold."""

from typing import Final

import pytest

from mycelium.wire.distance import INFINITY
from sim.play.flows import NO_ROUTE
from sim.play.run import Run, RunSpec
from sim.play.scoped_oracle import ScopedOracle
from sim.play.stage import Stage
from tests.sim.play.support import exhaust, settled_stage

SCOPE: Final = 8
NODES: Final = 40


@pytest.fixture
def stage() -> Stage:
    return settled_stage("ba:m=2", NODES, scope=SCOPE, landmark_after_s=0.0, landmark_wait_s=0.1, home_s=0.1)


def test_a_mesh_larger_than_its_tables_settles_and_every_node_reaches_every_other(stage: Stage) -> None:
    mesh, oracle = stage.mesh, stage.oracle
    assert isinstance(oracle, ScopedOracle)
    assert (oracle.converged(), oracle.mismatches()) == (NODES, (0, []))
    paths = [stage.flows.path(one, other) for one in range(NODES) for other in range(NODES)]
    assert [stop for _, stop in paths] == [""] * NODES**2
    assert all(len(table) < NODES - 1 for table in mesh.tables.values())


def test_metrics_are_those_of_shortest_paths_from_judged_nodes_and_from_others(stage: Stage) -> None:
    oracle = stage.oracle
    assert isinstance(oracle, ScopedOracle)
    judged = oracle.metric(3, 30)
    del oracle._metrics[3]
    assert oracle.metric(3, 30) == judged
    assert oracle.metric(30, 3) == judged


def test_a_wrong_or_missing_route_in_scope_is_counted_and_named(stage: Stage) -> None:
    mesh, oracle = stage.mesh, stage.oracle
    assert isinstance(oracle, ScopedOracle)
    engine = mesh.engine(5)
    assert engine is not None
    nearest = [node for node in oracle._nearest[5] if node != 5]
    right = {node: oracle.metric(5, node) for node in nearest}
    engine._table.rows[mesh.address(nearest[0])].metric += 1
    del engine.forwarding.next_hop[mesh.address(nearest[1])]
    found = {(one["destination"], one["metric"], one["expected"]) for one in oracle.mismatches()[1]}
    assert found == {
        (nearest[0], right[nearest[0]] + 1, right[nearest[0]]),
        (nearest[1], INFINITY, right[nearest[1]]),
    }
    assert oracle.converged() == NODES - 1
    for one in nearest[:2]:
        assert next(oracle._unequal(5, [], first=one))[0] == one


def test_a_node_with_fewer_routes_than_its_scope_has_places_is_not_right(stage: Stage) -> None:
    mesh, oracle = stage.mesh, stage.oracle
    assert isinstance(oracle, ScopedOracle)
    node = next(node for node in oracle._judged if len(mesh.tables[mesh.address(node)]) + 1 < NODES)
    engine = mesh.engine(node)
    assert engine is not None
    too_few = {"node": node, "destination": -2, "metric": INFINITY, "expected": 0}
    oracle._scope = len(engine.forwarding.next_hop) + 1
    assert too_few not in oracle.mismatches()[1]
    engine.forwarding.next_hop.popitem()
    assert too_few in oracle.mismatches()[1]


def test_a_node_is_wrong_while_any_of_its_routes_is_and_right_again_with_the_last_one(stage: Stage) -> None:
    mesh, oracle = stage.mesh, stage.oracle
    assert isinstance(oracle, ScopedOracle)
    engine = mesh.engine(5)
    assert engine is not None
    rows = [engine._table.rows[mesh.address(node)] for node in oracle._nearest[5] if node != 5][:2]
    seen = []
    for changes in ((1, 1), (-1, 0), (1, -1), (-1, 0)):
        for row, change in zip(rows, changes, strict=True):
            row.metric += change
        seen.append(oracle.converged())
    assert seen == [NODES - 1, NODES - 1, NODES - 1, NODES]


def test_a_node_need_not_know_the_way_to_what_is_no_landmark_any_more(stage: Stage) -> None:
    mesh, oracle = stage.mesh, stage.oracle
    assert isinstance(oracle, ScopedOracle)
    engine, far = mesh.engine(5), next(node for node in oracle._landmarks() if node not in oracle._nearest[5])
    landmark = mesh.engine(far)
    assert engine is not None
    assert landmark is not None
    del engine.forwarding.next_hop[mesh.address(far)]
    assert not oracle._is_right(5, oracle._landmarks())
    landmark._origin.flags = 0
    assert oracle._is_right(5, oracle._landmarks())


def test_a_node_without_a_home_is_not_right(stage: Stage) -> None:
    mesh = stage.mesh
    node = next(node for node in range(NODES) if (engine := mesh.engine(node)) is not None and not engine.is_landmark)
    engine = mesh.engine(node)
    assert engine is not None
    engine.landmarks.homes = ()
    assert stage.oracle.mismatches() == (1, [{"node": node, "destination": -1, "metric": INFINITY, "expected": 0}])
    far = next(one for one in range(NODES) if stage.flows.path(one, node)[1] == NO_ROUTE)
    assert mesh.address(node) not in mesh.tables[mesh.address(far)]


def test_a_node_that_its_home_does_not_reach_is_not_right(stage: Stage) -> None:
    mesh = stage.mesh
    node = next(node for node in range(NODES) if (engine := mesh.engine(node)) is not None and engine.home is not None)
    engine = mesh.engine(node)
    assert engine is not None
    home = mesh.engine(mesh.index_of[engine.home or b""])
    assert home is not None
    del home.forwarding.next_hop[engine.node]
    assert {"node": node, "destination": -1, "metric": INFINITY, "expected": 0} in stage.oracle.mismatches()[1]


def test_every_node_reaches_every_other_where_the_nearest_landmarks_have_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mycelium.routing.pins.PINS", 16)
    monkeypatch.setattr("mycelium.routing.pins.PINS_PER_NEIGHBOUR", 4)
    stage = settled_stage("ba:m=2", 60, scope=SCOPE, landmark_after_s=0.0, landmark_wait_s=0.1, home_s=0.1)
    exhaust(stage.pass_time(10.0))
    engines = [stage.mesh.engine(node) for node in range(60)]
    assert sum(engine.counters.pins_refused for engine in engines if engine is not None) > 50
    ends = {stage.flows.path(one, other)[1] for one in range(60) for other in range(60)}
    assert ends == {""}


@pytest.mark.parametrize("scenario", ["rehome:flows=40", "crowd:flows=40,nodes=20", "planet:flows=40,restarts=2"])
def test_what_happens_to_a_large_mesh_is_healed_within_the_bounds_promised(scenario: str) -> None:
    quick = {"scope": 12, "landmark_after_s": 0.0, "landmark_wait_s": 0.2}
    *_, summary = Run(RunSpec("ba:m=2", 60, scenario, parameters=quick)).records()
    assert (summary["violations"], summary["loops"], summary["pairs_undelivered"]) == (0, 0, 0)
    assert summary["figures"]["outage_max_s"] < 3
