"""Scenarios of pairs of nodes behind NATs, and their verdicts."""

from typing import Any

import pytest

from mycelium.errors import ConfigError
from sim.play.actions import perform
from sim.play.run import NODE, RunSpec, run
from sim.play.stage import Stage
from sim.report.report import Report, collect
from sim.report.verdict import verdict
from tests.sim.play.support import exhaust, make_stage


def do(stage: Stage, what: str, **arguments: Any) -> None:
    exhaust(perform(stage, what, arguments))


def report_of(scenario: str, **parameters: Any) -> Report:
    return collect(run(RunSpec("ring", 4, scenario, 1, NODE, parameters)))


def test_every_pair_of_nats_finds_the_way_that_real_daemons_find() -> None:
    """Those of the table in the README, of `./dev bench nat`."""
    report = report_of("pairs", s=2.0)
    assert report.violations == []
    leased = {way.kinds for way in report.ways if way.way == "leased"}
    hard = {"symmetric", "port-restricted"}
    assert leased == {(one, other) for one in hard for other in hard if "symmetric" in (one, other)}
    assert {way.way for way in report.ways if way.kinds not in leased} == {"direct"}
    assert len(report.ways) == 25
    assert sum(way.lost for way in report.ways) == 0
    assert "Of 25 pairs behind NATs 22 talk directly and 3 talk across a leased port" in verdict(report)


@pytest.mark.parametrize("is_told", [True, False])
def test_nodes_that_roam_find_a_way_again_without_a_long_gap(is_told: bool) -> None:
    report = report_of("mobile", s=3.0, is_told=is_told)
    assert report.violations == []
    before, after = report.ways[:6], report.ways[6:]
    assert [way.way for way in before] == [way.way for way in after] == ["direct"] * 5 + ["leased"]
    assert {way.lost for way in before} == {0}
    assert max(way.found_s or 9.0 for way in after) < 2.0


def test_a_pair_whose_lessor_dies_goes_on_over_another_relay() -> None:
    report = report_of("lessor", s=4.0)
    assert report.violations == []
    assert [way.way for way in report.ways] == ["leased", "leased"]
    assert [action.what for action in report.actions].count("kill") == 1
    assert report.summary.figures["gap_max_s"] < 0.5


@pytest.mark.parametrize(
    ("what", "arguments", "complaint"),
    [
        ("shortcuts", {}, "before it"),
        ("join_pairs", {"kinds": [["public", "wall"]]}, "not a pair of kinds of NATs; the kinds are public"),
        ("follow_pairs", {}, "there are no pairs"),
        ("kill", {"node": "lessor"}, "no node has leased a port"),
    ],
)
def test_steps_that_make_no_sense_are_refused(what: str, arguments: dict[str, Any], complaint: str) -> None:
    stage = make_stage("ring", 3, NODE)
    do(stage, "start")
    with pytest.raises(ConfigError, match=complaint):
        do(stage, what, **arguments)


@pytest.mark.parametrize("what", ["shortcuts", "join_pairs", "follow_pairs", "roam_pairs"])
def test_engines_alone_have_no_nats(what: str) -> None:
    with pytest.raises(ConfigError, match="--fidelity node"):
        do(make_stage(), what)
