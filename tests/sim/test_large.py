"""The sizes that the simulator is made for; part of `make deep`, one after the other, for minutes and gigabytes."""

from typing import Any

import pytest

from sim.run import RunSpec, run
from sim.sizes import DIGEST_BYTES, batch_bytes

pytestmark = [pytest.mark.deep, pytest.mark.timeout(1_800), pytest.mark.xdist_group("large")]


def summary(topology: str, nodes: int, scenario: str) -> Any:
    return list(run(RunSpec(topology, nodes, scenario)))[-1]


def test_two_thousand_nodes_start_within_4_gib() -> None:
    found = summary("ba:m=2", 2_000, "start")
    assert (found["violations"], found["metric_mismatches"]) == (0, 0)
    assert found["peak_rss_mib"] < 4 * 1024


def test_a_cut_among_a_thousand_nodes_is_healed_within_fractions_of_a_second() -> None:
    found = summary("ba:m=2", 1_000, "cut")
    assert (found["violations"], found["loops"]) == (0, 0)
    assert found["after_detection_s"]["median"] <= 0.06
    assert found["after_detection_s"]["p99"] <= 0.6


def test_ten_minutes_of_churn_among_five_hundred_nodes_make_no_loop() -> None:
    found = summary("ba:m=2", 500, "churn")
    assert (found["violations"], found["loops"]) == (0, 0)


def test_a_hub_of_six_hundred_restarts() -> None:
    assert summary("star", 601, "hub")["violations"] == 0


def test_a_thousand_nodes_at_rest_say_less_than_100_bytes_a_second() -> None:
    # Comparing tables is what takes the time of such a run: it is done a twentieth as often here, and counted in full.
    rare_s, usual_s = 1_200.0, 60.0
    spec = RunSpec("ba:m=2", 1_000, "idle", parameters={"digest_s": rare_s})
    found = list(run(spec))[-1]
    degree = 2 * found["links"] / found["nodes"]
    digests = degree * batch_bytes(DIGEST_BYTES) * (1 / usual_s - 1 / rare_s)
    assert found["idle_bytes_per_node_per_s"] + digests < 100
