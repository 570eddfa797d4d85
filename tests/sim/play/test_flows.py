"""Watched flows: outages, their detection, and black holes."""

import msgspec
import pytest

from sim.play.flows import DEAD_LINK, NO_ROUTE
from sim.play.run import Run, RunSpec
from sim.play.stage import Stage
from tests.sim.play.support import settled_stage, violation_of


def test_a_planted_black_hole_is_caught_when_it_has_lasted() -> None:
    begun = Run(RunSpec("ring", 8, "partition:flows=30", parameters={"black_hole_s": 2.0}))
    mesh = begun.stage.mesh

    def plant() -> None:
        flow = begun.stage.flows.flows[0]
        del mesh.tables[mesh.address(flow.source)][mesh.address(flow.destination)]
        begun.stage.flows.routes_changed(flow.source)

    # planted as soon as flows are watched, which is before anything is cut
    begun.scenario.steps.insert(3, msgspec.structs.replace(begun.scenario.steps[0], do="wait", arguments={"s": 4.0}))
    mesh.heap.at(1.5, plant)
    found = violation_of(begun)
    assert found["what"] == "black hole"
    assert found["t"] - found["since"] > 2.0


@pytest.fixture
def ring() -> Stage:
    """Six nodes, of which 0 reaches 2 by way of 1; a cut is detected after 0.2 s."""
    stage = settled_stage("ring:delay_min=0.01,delay_max=0.01", 6)
    assert stage.flows.path(0, 2) == ((0, 1, 2), "")
    stage.flows.watch(0, 2)
    return stage


def test_a_path_ends_at_a_dead_link_and_at_a_node_without_a_route(ring: Stage) -> None:
    mesh = ring.mesh
    mesh.cut(1, 2)
    assert ring.flows.path(0, 2) == ((0, 1), DEAD_LINK)
    del mesh.tables[mesh.address(0)][mesh.address(2)]
    assert ring.flows.path(0, 2) == ((0,), NO_ROUTE)


def test_an_outage_lasts_from_the_cut_to_the_new_path(ring: Stage) -> None:
    begun = ring.mesh.now
    ring.mesh.cut(1, 2)
    list(ring.pass_time(0.1))
    ring.flows.links_changed()  # others than those that the flow needs
    list(ring.pass_time(3.0))
    (record,) = [found for found in ring.take_records() if found["type"] == "outage"]
    assert (record["flow"], record["start"]) == ([0, 2], begun)
    assert 0.2 < record["outage_s"] < 0.5
    assert record["outage_s"] - record["after_detection_s"] == pytest.approx(0.2, abs=0.02)
    assert record["repair_s"] == record["after_detection_s"]
    assert ring.flows.path(0, 2) == ((0, 5, 4, 3, 2), "")
    assert ring.flows.avoidable_s() == [record["outage_s"]]
    ring.flows.start_over()
    assert (ring.flows.avoidable_s(), ring.flows.outages_s) == ([], [record["outage_s"]])


def test_an_outage_without_any_path_is_not_avoidable(ring: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    ring.mesh.cut(1, 2)
    ring.mesh.cut(2, 3)
    list(ring.pass_time(5.0))
    (record,) = ring.flows.unfinished()
    assert (record["flow"], record["end"]) == ([0, 2], None)
    assert ring.flows.avoidable_s() == []
    monkeypatch.setattr(ring.flows, "check", lambda: None)
    list(ring.pass_time(1.0))
    ring.mesh.mend(1, 2)
    list(ring.pass_time(2.0))
    assert ring.flows.unfinished() == []
    assert ring.flows.avoidable_s()[0] < 1.0, "since the link is back, not since the last check for black holes"
    ring.mesh.mend(2, 3)
    list(ring.pass_time(2.0))
    ring.mesh.cut(1, 2)
    assert ring.flows.avoidable_s()[1:] == [0.0], "an outage for itself"
    assert ring.flows.outages_s[0] > 5.0
    assert ring.flows.repairs_s[0] < 1.0 < 4.0 < ring.flows.after_detection_s[0]


def test_a_flow_whose_end_is_down_has_no_path_and_no_graph_is_made_to_find_out(
    ring: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def graph() -> None:
        raise AssertionError("a graph is made")

    monkeypatch.setattr(ring.mesh, "graph", graph)
    ring.mesh.stop(2)
    list(ring.pass_time(3.0))
    assert len(ring.flows.unfinished()) == 1
    assert ring.flows.avoidable_s() == []
