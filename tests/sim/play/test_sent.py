"""What nodes send during a part of a run."""

import pytest

from sim.play.run import NODE
from sim.play.sent import SentWatch
from tests.sim.play.support import exhaust, settled_stage


def test_what_was_sent_before_is_not_measured_and_kinds_add_up_to_the_mean() -> None:
    stage = settled_stage("star", 5)
    mesh = stage.mesh
    before = stage.total_bytes()
    sent = SentWatch(mesh)
    mesh.stop(0)
    mesh.start(0)
    exhaust(stage.pass_time(10.0))
    found = sent.end()
    assert found["s"] == pytest.approx(10.0)
    assert found["mean"] == pytest.approx((stage.total_bytes() - before) / 5 / 10.0, abs=0.01)
    assert sum(found["kinds"].values()) == pytest.approx(found["mean"], abs=0.05)
    assert found["max"] >= found["p99"] > found["mean"]
    assert list(found["kinds"].values()) == sorted(found["kinds"].values(), reverse=True)


def test_nothing_is_counted_by_kind_once_a_measurement_has_ended() -> None:
    stage = settled_stage("ring", 6)
    sent = SentWatch(stage.mesh)
    exhaust(stage.pass_time(1.0))
    assert stage.mesh.kinds is not None
    sent.end()
    assert stage.mesh.kinds is None


def test_whole_nodes_are_measured_without_kinds() -> None:
    stage = settled_stage("line", 2, NODE)
    sent = SentWatch(stage.mesh)
    exhaust(stage.pass_time(20.0))
    found = sent.end()
    assert (found["mean"] > 0, found["kinds"]) == (True, {})
