"""How many honest pairs talk while others lie: the scenario, its figure and its verdict."""

from typing import Any

import pytest

from mycelium.errors import ConfigError
from sim.play.actions import perform
from sim.play.run import NODE, RunSpec, run
from sim.play.stage import Stage
from sim.report.report import Report, collect
from sim.report.verdict import verdict
from tests.sim.play.support import exhaust, make_stage, settled_stage


def do(stage: Stage, what: str, **arguments: Any) -> None:
    exhaust(perform(stage, what, arguments))


def report_of(**parameters: Any) -> Report:
    return collect(run(RunSpec("ring", 12, "liars", 1, NODE, {"pairs": 6, "s": 10.0, **parameters})))


def test_without_liars_all_pairs_hear_each_other() -> None:
    report = report_of(share=0.0)
    assert report.violations == []
    assert [(talk.pairs, talk.talking) for talk in report.talks] == [(6, 6)] * 2
    assert "Of 6 honest pairs 6 hear each other." in verdict(report)


def test_liars_are_as_many_as_wanted_and_no_pair_needs_them() -> None:
    stage = settled_stage("ba:m=2", 20, NODE)
    do(stage, "liars", share=0.1, how="drop")
    assert len(stage.mesh.liars) == 2
    do(stage, "talk", pairs=4, s=5.0)
    (found,) = (record for record in stage.take_records() if record["type"] == "talk")
    assert found["pairs"] == 4
    assert stage.figures.values(stage.pings)["pairs_silent"] == 4 - found["talking"]


def test_hubs_lie_where_that_is_wanted() -> None:
    stage = settled_stage("star", 12, NODE)
    do(stage, "liars", share=0.05, how="drop", hubs=True)
    degree = stage.mesh.graph().degree
    assert [degree(node) for node in stage.mesh.liars] == [11]


def test_an_unknown_way_to_lie_and_a_mesh_of_liars_are_clear_errors() -> None:
    with pytest.raises(ConfigError, match="the ways are drop"):
        do(make_stage("ring", 4, NODE), "liars", how="white")
    stage = settled_stage("ring", 4, NODE)
    do(stage, "liars", share=1.0)
    with pytest.raises(ConfigError, match="no two honest nodes"):
        do(stage, "talk")


def test_more_pairs_talk_where_nodes_find_out_that_what_they_send_does_not_arrive() -> None:
    def talking(is_credulous: bool) -> int:
        parameters = {"pairs": 8, "s": 10.0, "share": 0.08, "is_credulous": is_credulous}
        return collect(run(RunSpec("ba:m=2", 14, "liars", 3, NODE, parameters))).talks[-1].talking

    assert talking(is_credulous=False) > talking(is_credulous=True)


@pytest.mark.parametrize("how", ["attract", "bounce"])
def test_nearly_all_pairs_talk_soon_however_liars_lie(how: str) -> None:
    parameters = {"pairs": 8, "s": 10.0, "share": 0.08, "how": how, "hop_limit": 10_000}
    report = collect(run(RunSpec("ba:m=2", 14, "liars", 2, NODE, parameters)))
    last = report.talks[-1]
    assert last.talking >= last.pairs - 1
    assert (last.found, last.wronged) == (1, 0)
    assert "honest nodes distrust 1 neighbours that lie and 0 that do not" in verdict(report)
