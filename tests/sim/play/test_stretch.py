"""Sampled paths: their stretch by homes and once both ends have met, and those that lead nowhere."""

import pytest

from sim.play.flows import NO_ROUTE
from sim.play.stage import Stage
from sim.play.stretch import PAIRS, sample_paths
from tests.sim.play.support import settled_stage

NODES = 40


@pytest.fixture
def scoped() -> Stage:
    return settled_stage("ba:m=2", NODES, scope=8, landmark_after_s=0.0, landmark_wait_s=0.1, home_s=0.1)


def test_paths_are_shorter_once_both_ends_have_met(scoped: Stage) -> None:
    paths = sample_paths(scoped)
    assert len(paths.stretch) == len(paths.met) == NODES * (NODES - 1) < PAIRS
    assert paths.undelivered == 0
    assert min(paths.met) == 1.0 < max(paths.stretch)
    assert sum(paths.met) < sum(paths.stretch)


def test_relays_that_have_the_destination_cut_the_way_by_a_waypoint_short() -> None:
    scoped = settled_stage("geometric", NODES, scope=8, landmark_after_s=0.0, landmark_wait_s=0.1, home_s=0.1)
    near = [scoped.mesh.engine(node) for node in range(NODES)]
    metrics = [
        {} if engine is None else {to: engine.metric(to) for to in engine.forwarding.next_hop} for engine in near
    ]
    at_most = [
        min(one[node] + other[node] for node in one.keys() & other.keys()) / scoped.oracle.metric(source, destination)
        for source, one in enumerate(metrics)
        for destination, other in enumerate(metrics)
        if source != destination and scoped.mesh.address(destination) not in one
    ]
    paths = sample_paths(scoped)
    in_scope = len(paths.met) - len(at_most)
    assert in_scope > 0
    assert len(paths.met) < sum(paths.met) < in_scope + sum(at_most)


def test_ends_that_have_no_node_in_common_stay_with_the_way_by_the_home(scoped: Stage) -> None:
    tables = scoped.mesh.tables
    relays = {hop for table in tables.values() for destination, hop in table.items() if hop != destination}
    next(table for address, table in tables.items() if address not in relays).clear()
    paths = sample_paths(scoped)
    assert paths.undelivered == NODES - 1, "from that node, as it has no next hops; it is reached from all others"
    assert max(paths.met) <= max(paths.stretch)


def test_ends_that_do_not_reach_the_node_that_both_have_stay_with_the_way_by_the_home(
    scoped: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = scoped.flows.path

    def path(source: int, destination: int, *, by: bytes | None = None) -> tuple[tuple[int, ...], str]:
        return plain(source, destination) if by is None else ((source,), NO_ROUTE)

    monkeypatch.setattr(scoped.flows, "path", path)
    paths = sample_paths(scoped)
    assert max(paths.stretch) > 1.0
    assert paths.met == paths.stretch


def test_where_all_nodes_are_in_all_tables_nobody_has_to_meet() -> None:
    paths = sample_paths(settled_stage("ba:m=2", 12))
    assert (paths.stretch, paths.met, paths.undelivered) == ([1.0] * 12 * 11, [], 0)


def test_pairs_that_are_not_reached_are_counted_unless_there_is_no_way(scoped: Stage) -> None:
    mesh = scoped.mesh
    address = mesh.address(7)
    for node, table in mesh.tables.items():
        if node != address:
            table.pop(address, None)
    paths = sample_paths(scoped)
    assert 0 < paths.undelivered < NODES, "those whose way to its home leads over the node itself reach it"
    assert paths.undelivered + len(paths.stretch) == NODES * (NODES - 1)
    for one, other in [edge for edge in mesh.links if 7 in edge]:
        mesh.cut(one, other)
    list(scoped.pass_time(3.0))
    scoped.oracle.refresh()
    paths = sample_paths(scoped)
    assert paths.undelivered + len(paths.stretch) == (NODES - 1) * (NODES - 2)


def test_a_mesh_of_one_node_has_no_paths() -> None:
    stage = settled_stage("line", 2)
    stage.mesh.stop(1)
    assert sample_paths(stage).stretch == []
