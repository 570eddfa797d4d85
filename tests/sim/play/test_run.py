"""Runs: the same seed gives the same run, scenarios keep their promises, and what is planted is caught."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mycelium.errors import ConfigError
from mycelium.wire.control import Update
from mycelium.wire.distance import INFINITY, distance
from sim.net.routing_mesh import RoutingMesh
from sim.play.oracle import Oracle
from sim.play.run import NODE, ROUTING, Run, RunSpec, run, run_to_file

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


def violation_of(begun: Run) -> dict[str, Any]:
    """Runs to the end and returns the one violation."""
    (found,) = [record for record in begun.records() if record["type"] == "violation"]
    return found


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


def test_records_come_in_their_order_and_the_summary_last(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    last = run_to_file(RunSpec("ring", 10, "cut:flows=10"), file)
    records = [msgspec.json.decode(line) for line in file.read_bytes().splitlines()]
    kinds = list(dict.fromkeys(record["type"] for record in records))
    assert kinds[:3] == ["run", "action", "sample"]
    assert kinds[-4:] == ["node", "stretch", "map", "summary"]
    assert records[-1] == msgspec.json.decode(msgspec.json.encode(last))
    assert sum(record["type"] == "node" for record in records) == 10


def test_a_planted_loop_is_caught_with_what_it_takes_to_see_it_again() -> None:
    begun = Run(RunSpec("ring", 8, "idle:minutes=1.0"))
    mesh = begun.stage.mesh

    def plant() -> None:
        one, other, target = (mesh.address(node) for node in (0, 1, 4))
        mesh.tables[one][target], mesh.tables[other][target] = other, one
        engine = mesh.engine(0)
        assert engine is not None
        engine.changes.append((mesh.now, target, None, other, "planted"))
        begun.stage.routes_changed(0)

    mesh.heap.at(5.0, plant)
    found = violation_of(begun)
    assert (found["what"], found["destination"], sorted(found["nodes"])) == ("loop", 4, [0, 0, 1])
    assert "--topology ring --nodes 8 --scenario idle:minutes=1.0 --seed 1" in found["reproduce"]["command"]
    assert found["reproduce"]["steps"][0] == {"do": "start"}
    assert {event["node"] for event in found["last_events"]} & {0, 1}


def test_a_loop_through_a_dead_link_carries_nothing_and_is_none() -> None:
    begun = Run(RunSpec("ring", 8, "start"))
    assert list(begun.records())[-1]["violations"] == 0
    mesh = begun.stage.mesh
    one, other, target = (mesh.address(node) for node in (0, 1, 4))
    mesh.cut(0, 1)
    mesh.tables[one][target], mesh.tables[other][target] = other, one
    engine = mesh.engine(0)
    assert engine is not None
    engine.changes.append((mesh.now, target, None, other, "planted"))
    begun.stage.loops.check(0)
    assert begun.stage.loops.loops == 0


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


def test_a_forger_that_were_believed_would_be_caught() -> None:
    begun = Run(RunSpec("ba:m=2", 20, "liar"))
    assert isinstance(begun.stage.mesh, RoutingMesh)
    begun.stage.mesh.verify = lambda announcement: True
    assert violation_of(begun)["what"] in ("forged announcement", "not settled")


def test_a_wrong_metric_is_counted_and_named() -> None:
    begun = Run(RunSpec("ring", 6, "start"))
    list(begun.records())
    engine = begun.stage.mesh.engine(2)
    assert engine is not None
    engine._table.rows[begun.stage.mesh.address(5)].metric += 1
    count, named = begun.stage.oracle.mismatches()
    assert count == 1
    assert (named[0]["node"], named[0]["destination"]) == (2, 5)


def test_a_node_that_was_right_is_judged_anew_when_it_has_chosen_another_route() -> None:
    begun = Run(RunSpec("ring", 6, "start"))
    list(begun.records())
    mesh, oracle = begun.stage.mesh, begun.stage.oracle
    engine = mesh.engine(2)
    assert engine is not None
    assert oracle.converged() == 6
    announcement = engine.resolve(mesh.address(5))
    assert announcement is not None
    lie = Update(mesh.address(5), distance(announcement.sequence, 1))
    engine.receive(mesh.address(1), [lie], now=mesh.now)
    assert oracle.converged() == 5


def test_a_node_is_not_right_that_lacks_a_route() -> None:
    begun = Run(RunSpec("ring", 6, "start"))
    list(begun.records())
    mesh = begun.stage.mesh
    engine = mesh.engine(2)
    assert engine is not None
    del engine._table.rows[mesh.address(5)], engine.forwarding.next_hop[mesh.address(5)]
    oracle = Oracle(mesh)
    oracle.refresh()
    assert oracle.converged() == 5
    assert oracle.mismatches()[1] == [
        {"node": 2, "destination": 5, "metric": INFINITY, "expected": oracle.metric(2, 5)}
    ]


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
