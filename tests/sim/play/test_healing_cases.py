"""Every way in which links break and come back, on whole nodes: each case keeps what its scenario promises.

A case is also `mycelium-sim run --fidelity node --topology ... --scenario ...`, which exits with 0 only if it does.
"""

from pathlib import Path
from typing import Any

import pytest

from mycelium.link.path import liveness
from sim.cli import main
from sim.net.node_mesh import NodeMesh
from sim.play.run import NODE, ROUTING, Run, RunSpec

SQUARE = ("ring", 4)
RING = ("ring", 6)
GRID = ("grid", 9)
SCALE_FREE = ("ba:m=2", 10)

# Bounds leave room for links of up to 50 ms each way: 0.35 s to find a cut, as long for a request around a ring and its answer.
CASES = [
    (SQUARE, "cut:flows=8,outage_max_s=0.9"),
    (RING, "cut:flows=8,outage_max_s=1.0"),
    (GRID, "cut:flows=8,outage_max_s=0.8"),
    (SQUARE, "oneway:flows=8,outage_max_s=1.0"),
    (GRID, "oneway:flows=8,outage_max_s=0.8"),
    (SQUARE, "carrier:flows=8,outage_max_s=0.5"),
    (RING, "carrier:flows=8,outage_max_s=0.7"),
    (SQUARE, "kill:flows=12,outage_max_s=0.6"),
    (GRID, "kill:flows=8,outage_max_s=0.8"),
    (SQUARE, "goodbye:flows=12,down_s=2.0,outage_max_s=0.6"),
    (SQUARE, "loss:flows=6,s=5.0,outage_max_s=0.5"),
    (RING, "flap:flows=8,outage_max_s=1.0"),
    (GRID, "partition:flows=6,parted_s=3.0,outage_max_s=0.8"),
    (SQUARE, "roam:flows=8,outage_max_s=0.5"),
    (SQUARE, "roam:flows=8,is_told=true,outage_max_s=0.5"),
    (SQUARE, "both:flows=8,outage_max_s=0.5"),
    (RING, "rebind:flows=8,outage_max_s=0.25"),
    (SQUARE, "uplinks:flows=8"),
    (("ring:delay_min=0.05,delay_max=0.05", 4), "uplinks:flows=8"),
    (RING, "jitter:minutes=0.3"),
    (RING, "trace:minutes=0.5"),
    (RING, "starve:minutes=0.4"),
    (SQUARE, "saturate:minutes=0.2"),
    (SQUARE, "lossy:minutes=1.0"),
]

LONG_CASES = [
    (SQUARE, "saturate:minutes=10.0"),
    (SQUARE, "saturate:minutes=10.0,bytes_per_s=50000.0"),
    (RING, "starve:minutes=10.0"),
    (SQUARE, "lossy:minutes=1440.0,flows=1,every_s=1.0,gap_max_s=10.0"),
    (SCALE_FREE, "jitter:minutes=30.0"),
    (SCALE_FREE, "trace:minutes=30.0"),
    (("grid", 49), "cut:outage_max_s=1.0"),
    (("grid", 49), "kill:outage_max_s=1.0"),
]


def records(mesh: tuple[str, int], scenario: str, seed: int = 1, **parameters: Any) -> list[dict[str, Any]]:
    """Runs a scenario on whole nodes and returns its records."""
    return list(Run(RunSpec(*mesh, scenario, seed, NODE, parameters)).records())


def broken(found: list[dict[str, Any]]) -> list[tuple[str, Any, Any]]:
    """Returns what was violated, with its bound and what was found, where it is a promise."""
    violations = [record for record in found if record["type"] == "violation"]
    return [(one.get("promise", one["what"]), one.get("bound"), one.get("found")) for one in violations]


@pytest.mark.parametrize(("mesh", "scenario"), CASES)
def test_what_breaks_heals_as_promised(mesh: tuple[str, int], scenario: str) -> None:
    found = records(mesh, scenario)
    assert broken(found) == []
    assert (found[-1]["loops"], found[-1]["figures"]["hop_limit"]) == (0, 0)


@pytest.mark.deep
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize(("mesh", "scenario"), LONG_CASES)
def test_what_lasts_long_is_no_false_alarm(mesh: tuple[str, int], scenario: str) -> None:
    assert broken(records(mesh, scenario)) == []


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(2, 12))
@pytest.mark.parametrize(("mesh", "scenario"), CASES)
def test_it_heals_whatever_the_dice_say(mesh: tuple[str, int], scenario: str, seed: int) -> None:
    assert broken(records(mesh, scenario, seed)) == []


def test_each_end_of_a_pulled_cable_gives_it_up_once_no_other_way_answers() -> None:
    found = records(SQUARE, "carrier:flows=4")
    (cut,) = [record for record in found if record.get("what") == "cut"]
    lost = [record for record in found if record.get("what") == "link lost"]
    assert sorted(record["node"] for record in lost) == sorted(cut["link"])
    assert all(record["t"] - cut["t"] < 0.2 and not record["is_false"] for record in lost)
    assert found[-1]["outage_s"]["max"] < 0.15


def test_a_link_with_two_ways_loses_one_and_is_not_lost() -> None:
    found = records(SQUARE, "uplinks:flows=4")
    assert [record for record in found if record.get("what") == "link lost"] == []


def test_a_link_with_two_ways_alike_loses_one_and_routing_never_knows() -> None:
    assert records(SQUARE, "uplinks:flows=4,delay_factor=1.05")[-1]["figures"]["route_changes"] == 0


def test_of_two_ways_the_quicker_one_is_used() -> None:
    begun = Run(RunSpec(*SQUARE, "uplinks:flows=4", 1, NODE))
    assert isinstance(begun.stage.mesh, NodeMesh)
    for record in begun.records():
        if record.get("what") == "measure":
            break
    assert begun.stage.mesh.detours() == []


def test_a_link_given_up_too_soon_is_a_false_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "DEAD_AFTER_S", 0.02)
    monkeypatch.setattr(liveness, "DEAD_AFTER_HEARD_S", 0.02)
    monkeypatch.setattr(liveness, "SUSPECT_AFTER_S", 0.01)
    monkeypatch.setattr(liveness, "MOST_PROBES", 2)
    monkeypatch.setattr(liveness, "LEAST_PROBES", 2)
    found = records(SQUARE, "starve:minutes=0.2,for_s=0.3")
    assert [name for name, _, _ in broken(found)] == ["false_dead"]
    assert any(record.get("is_false") for record in found)


def test_a_broken_promise_is_an_exit_status_and_a_line_of_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "--fidelity", "node", "--topology", "ring", "--nodes", "4"]
    assert main([*command, "--scenario", "cut:flows=4,outage_max_s=0.5", "--quiet"]) == 0
    assert main([*command, "--scenario", "cut:flows=4,outage_max_s=0.01"]) == 1
    shown = capsys.readouterr().out
    assert "promise broken" in shown
    assert "promised at most 10 ms" in shown


def test_what_was_never_measured_is_a_promise_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "still.toml"
    file.write_text('about = "x"\nsteps = [{ do = "start" }]\n[expect]\ngap_max_s = 1\nroute_changes = 0\n')
    assert broken(records(SQUARE, str(file))) == [("gap_max_s", 1, None), ("route_changes", 0, None)]


def test_engines_alone_have_no_packets_to_promise_anything_of() -> None:
    found = list(Run(RunSpec("ring", 6, "cut:flows=4", 1, ROUTING)).records())
    assert broken(found) == []
    assert {*found[-1]["figures"]} == {"outage_max_s", "outage_median_s"}


def test_time_without_any_way_is_nobody_s_outage() -> None:
    found = records(SQUARE, "partition:flows=6,parted_s=3.0")[-1]
    assert found["pings"]["longest_gap_s"] > 3.0
    assert found["outage_s"]["max"] > 3.0
    assert found["figures"]["outage_max_s"] < 1.0


@pytest.mark.parametrize("scenario", ["saturate:minutes=0.05", "starve:minutes=0.05", "trace:minutes=0.05"])
def test_hardships_come_from_the_seed(scenario: str) -> None:
    hashes = [records(SQUARE, scenario, seed)[-1]["log_hash"] for seed in (5, 5, 6)]
    assert hashes[0] == hashes[1]
    assert hashes[0] != hashes[2]
