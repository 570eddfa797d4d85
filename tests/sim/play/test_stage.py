"""The stage: settling, samples, and counted bytes."""

from typing import Any

import pytest

from sim.play.actions import start
from sim.play.invariants import EVERY, InvariantBroken
from sim.play.stage import FEW_NODES, REST_S, Stage
from tests.sim.play.support import exhaust, make_stage, settled_stage


@pytest.fixture
def stage() -> Stage:
    return settled_stage("ring", 6)


def samples(stage: Stage) -> list[dict[str, Any]]:
    return [record for record in stage.take_records() if record["type"] == "sample"]


def test_a_started_mesh_settles_in_the_time_that_its_last_message_took() -> None:
    stage = make_stage("ring", 6)
    exhaust(start(stage))
    exhaust(stage.settle(within_s=30.0))
    (settled_s,) = stage.settled_s
    assert 0.05 < settled_s < 3.0
    assert {record["type"] for record in stage.take_records()} == {"action", "sample"}


def test_a_mesh_that_does_not_settle_in_time_is_a_violation_that_names_its_nodes() -> None:
    stage = make_stage("ring:delay_min=0.05,delay_max=0.05", 6)
    exhaust(start(stage))
    with pytest.raises(InvariantBroken) as caught:
        exhaust(stage.settle(within_s=0.08))
    assert caught.value.record["what"] == "not settled"
    assert [0, 1] in caught.value.record["links_not_up"]


def test_a_cut_that_nobody_has_noticed_is_not_settled(stage: Stage) -> None:
    stage.mesh.cut(0, 1)
    exhaust(stage.settle(within_s=30.0))
    assert stage.settled_s[-1] >= 0.2


def test_samples_are_rare_at_rest_and_frequent_after_a_change(stage: Stage) -> None:
    exhaust(stage.pass_time(4 * REST_S))
    stage.take_records()
    exhaust(stage.pass_time(4 * REST_S))
    assert len(samples(stage)) <= 4
    stage.mesh.cut(0, 1)
    exhaust(stage.pass_time(1.0))
    assert 3 <= len(samples(stage)) <= 21


def test_time_passes_exactly(stage: Stage) -> None:
    before = stage.mesh.now
    exhaust(stage.pass_time(1.234))
    assert stage.mesh.now == pytest.approx(before + 1.234)


def test_bytes_are_counted_from_the_last_mark(stage: Stage) -> None:
    stage.mark()
    assert stage.bytes_since_mark() == 0
    stage.mesh.cut(0, 1)
    exhaust(stage.pass_time(2.0))
    assert 0 < stage.bytes_since_mark() < stage.total_bytes()


def test_every_change_is_checked_but_for_the_cold_start_of_many_nodes() -> None:
    small, large = make_stage("ring", 6), make_stage("ring", FEW_NODES + 100)
    for stage in (small, large):
        exhaust(start(stage))
    assert small.loops.stride == EVERY
    assert large.loops.stride == (FEW_NODES + 100) // 20
    large.watch_all_changes(True)
    assert large.loops.stride == EVERY


def test_a_falsely_given_up_link_is_recorded(stage: Stage) -> None:
    stage.link_lost(1, 2, "silent", is_false=True)
    stage.link_lost(1, 2, "closed", is_false=False)
    assert [record["cause"] for record in stage.take_records()] == ["silent", "closed"]
    assert [ends for _, *ends in stage.figures.false_dead] == [[1, 2]]


def test_the_oracle_is_asked_once_after_each_event(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    stage = make_stage()
    converged = stage.oracle.converged

    def ask() -> int:
        asked.append(stage.mesh.heap.handled)
        return converged()

    monkeypatch.setattr(stage.oracle, "converged", ask)
    exhaust(start(stage))
    exhaust(stage.settle(within_s=30.0))
    assert len(asked) == len(set(asked)) > 1
    stage.links_changed()
    exhaust(stage.settle(within_s=30.0))
    assert asked[-1] == stage.mesh.heap.handled, "links may change without an event"
