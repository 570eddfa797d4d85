"""Runs: the same seed gives the same run, scenarios keep their promises, and what is planted is caught."""

import os
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from mycelium.errors import ConfigError
from sim.play.run import NODE, ROUTING, Run, RunSpec, run

ROUTING_SCENARIOS = (
    "start",
    "cut:flows=40",
    "mend:flows=40",
    "flap:flows=40",
    "cost:flows=40",
    "partition:flows=40",
    "restart:flows=40",
    "churn:flows=20,share_per_minute=0.5,minutes=1.0",
    "join:joining=20",
    "move:flows=40",
    "oneway:flows=40",
    "liar",
    "liar:how=impersonate",
    "attractor",
    "clock",
    "idle:minutes=2.0",
)


def summary(scenario: str, *, topology: str = "ba:m=2", nodes: int = 40, seed: int = 1, **parameters: Any) -> Any:
    """Runs in routing fidelity and returns the summary."""
    return list(run(RunSpec(topology, nodes, scenario, seed, ROUTING, parameters)))[-1]


@pytest.mark.parametrize("scenario", ROUTING_SCENARIOS)
def test_no_scenario_breaks_an_invariant(scenario: str) -> None:
    found = summary(scenario)
    assert (found["violations"], found["loops"], found["metric_mismatches"]) == (0, 0, 0)


@pytest.mark.parametrize("topology", ["line", "ring", "grid", "tree", "ws", "geometric", "internet"])
def test_a_cold_start_converges_on_every_kind_of_graph(topology: str) -> None:
    assert summary("start", topology=topology)["violations"] == 0


def test_a_hub_of_hundreds_starts_and_restarts() -> None:
    assert summary("hub", topology="star", nodes=120)["violations"] == 0


def test_links_that_lose_delay_and_narrow_cost_time_but_no_correctness() -> None:
    clean = summary("cut:flows=20")
    bad = summary("cut:flows=20", loss=0.1, jitter_s=0.02, bytes_per_s=200_000.0, detection_spread_s=0.1)
    assert bad["violations"] == 0
    assert bad["converged_s"] > clean["converged_s"]


def test_after_a_silent_cut_flows_are_back_soon_and_paths_are_the_shortest_within_seconds() -> None:
    found = summary("cut:flows=200", nodes=120, seed=2)
    assert found["after_detection_s"]["median"] <= 0.06
    assert found["after_detection_s"]["p99"] <= 0.6
    assert found["outage_s"]["median"] >= 0.2
    assert found["settled_s"][1] < 3.0


def test_the_same_seed_gives_the_same_run_and_another_one_does_not() -> None:
    first, again, other = summary("cut", seed=3), summary("cut", seed=3), summary("cut", seed=4)
    for found in (first, again):
        found.pop("wall_s"), found.pop("peak_rss_mib")
    assert first == again
    assert other["log_hash"] != first["log_hash"]


@pytest.mark.parametrize("fidelity", [ROUTING, NODE])
def test_the_order_of_hashes_changes_nothing(fidelity: str) -> None:
    command = [sys.executable, "-m", "sim.cli", "run", "--nodes", "16", "--scenario", "cut:flows=5", "--quiet"]
    hashes = []
    for seed in ("0", "1"):
        output = subprocess.run(
            [*command, "--fidelity", fidelity, "--json", "-"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        hashes.append(msgspec.json.decode(output.splitlines()[-1])["log_hash"])
    assert hashes[0] == hashes[1]


def test_an_interrupted_run_ends_with_what_there_is() -> None:
    begun = Run(RunSpec("ba:m=2", 30, "idle"))
    records = []
    for record in begun.records():
        records.append(record)
        begun.interrupted = len(records) > 5
    assert records[-1]["type"] == "summary"
    assert records[-1]["virtual_s"] < 60.0


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        (RunSpec("ba", 10, "start", parameters={"surprise": 1}), "surprise"),
        (RunSpec("ba", 10, "nat"), "needs --fidelity node"),
        (RunSpec("ba", 10, "start", fidelity="full"), "fidelity"),
        (RunSpec("ba", 1, "start"), "nodes"),
        (RunSpec("line", 10, "cut"), "bridge"),
    ],
)
def test_what_cannot_be_run_is_a_clear_error(spec: RunSpec, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        list(run(spec))


def test_a_mesh_whose_tables_would_not_fit_into_memory_has_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.play.run.FULL_TABLES", 20)
    assert Run(RunSpec("ring", 20, "start")).spec.parameters == {}
    large = Run(RunSpec("ring", 21, "start", parameters={"scope": 16}))
    assert large.spec.parameters == {"scope": 16, "landmark_after_s": 0.0, "landmark_wait_s": 0.3}
    assert large.stage.mesh.scope == 16
