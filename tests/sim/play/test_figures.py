"""Figures: what is measured, and which promises are broken."""

import pytest

from sim.play.figures import NAMES, Figures
from sim.play.flows import FlowWatch
from sim.play.run import NODE
from sim.play.stage import Stage
from tests.sim.play.support import exhaust, settled_stage


@pytest.fixture
def stage() -> Stage:
    return settled_stage("ring", 5)


def change(stage: Stage, node: int, destination: int, *, hop: int | None) -> None:
    """Reports one route change of a node."""
    mesh = stage.mesh
    engine = mesh.engine(node)
    assert engine is not None
    engine.changes.clear()
    after = None if hop is None else mesh.address(hop)
    engine.changes.append((mesh.now, mesh.address(destination), None, after, "test"))
    stage.figures.routes_changed(node)


def test_route_changes_are_counted_from_the_step_measure_on(stage: Stage) -> None:
    change(stage, 0, 2, hop=1)
    assert "route_changes" not in stage.figures.values(None)
    stage.measure()
    change(stage, 0, 2, hop=1)
    change(stage, 0, 2, hop=None)  # a lost route is not a change to another one
    change(stage, 1, 3, hop=2)
    found = stage.figures.values(None)
    assert (found["route_changes"], found["route_changes_per_minute"]) == (2, 1)


def test_changes_per_minute_are_the_most_of_one_node_and_destination_within_a_minute(stage: Stage) -> None:
    stage.measure()
    for _ in range(3):
        change(stage, 0, 2, hop=1)
        exhaust(stage.pass_time(29.0))
    assert stage.figures.values(None)["route_changes_per_minute"] == 3
    change(stage, 0, 2, hop=1)
    assert stage.figures.values(None)["route_changes_per_minute"] == 3
    (broken,) = stage.broken_promises({"route_changes_per_minute": 2})
    assert (broken["promise"], broken["bound"], broken["found"], broken["nodes"]) == (
        "route_changes_per_minute",
        2,
        3,
        [0, 2],
    )


def test_only_avoidable_outages_of_watched_flows_are_measured(stage: Stage) -> None:
    assert "outage_max_s" not in stage.figures.values(None)
    stage.watch(0, 2, 0.01)
    assert stage.figures.values(None)["outage_max_s"] == 0.0
    first_hop = stage.flows.path(0, 2)[0][1]
    stage.mesh.cut(0, first_hop)
    exhaust(stage.pass_time(3.0))
    assert 0.2 < stage.figures.values(None)["outage_max_s"] < 1.0
    assert stage.broken_promises({"outage_max_s": 1.0}) == []
    assert stage.broken_promises({"outage_max_s": 0.1})[0]["what"] == "promise broken"


def test_whole_nodes_measure_everything_and_a_figure_without_a_value_is_a_broken_promise() -> None:
    stage = settled_stage("ring", 4, NODE)
    assert [found["promise"] for found in stage.broken_promises({"gap_max_s": 1.0})] == ["gap_max_s"]
    stage.watch(0, 2, 0.05)
    stage.measure()
    exhaust(stage.pass_time(2.0))
    assert stage.broken_promises({"gap_max_s": 2.0, "ping_loss": 0.5, "false_dead": 0}) == []
    of_pairs = {"ways_relayed", "way_max_s", "packets_lost", "pairs_silent"}
    assert set(stage.figures.values(stage.pings)) == set(NAMES) - of_pairs
    stage.figures.ways_s += [0.5, None, 0.75]
    stage.figures.packets_lost = 3
    stage.figures.pairs_silent = 2
    found = stage.figures.values(stage.pings)
    assert set(found) == set(NAMES)
    assert [found[name] for name in sorted(of_pairs)] == [3, 2, 0.75, 1]
    stage.measure()
    assert not of_pairs & set(stage.figures.values(stage.pings))


def test_a_link_that_was_falsely_given_up_is_named(stage: Stage) -> None:
    figures = Figures(settled_stage("ring", 4, NODE).mesh, FlowWatch(stage.mesh, black_hole_s=1.0))
    figures.false_dead.append((1.5, 0, 3))
    (broken,) = figures.broken({"false_dead": 0}, None)
    assert (broken["links"], broken["nodes"]) == ([[1.5, 0, 3]], [0, 3])
