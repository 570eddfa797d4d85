"""The sizes that the simulator is made for; part of `./dev deep`, one after the other, for minutes and gigabytes.

Each runs as a user runs it, in a process of its own, so that memory and time are its own too.
"""

import json
import os
import resource
import subprocess
import sys
from typing import Any, Final

import pytest

from sim.play.run import NODE, ROUTING

pytestmark = [pytest.mark.deep, pytest.mark.timeout(1_800)]

SLOW: Final = 2.5  # machines that test may be so much slower than one whose core has nothing else to do
HASH_SEEDS: Final = ("1", "2")


def summary(
    scenario: str,
    *,
    nodes: int,
    topology: str = "ba:m=2",
    fidelity: str = ROUTING,
    hash_seed: str = "0",
    **settings: float,
) -> Any:
    """Returns the last record of a run, and the processor time that it took as `cpu_s`."""
    command = [sys.executable, "-m", "sim.cli", "run", "--topology", topology, "--nodes", str(nodes), "--quiet"]
    command += ["--fidelity", fidelity]
    options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*command, "--scenario", scenario, *options, "--json", "-"],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        check=False,  # a violation is in the summary
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {**json.loads(done.stdout.splitlines()[-1]), "cpu_s": cpu_s}


@pytest.mark.parametrize(
    ("nodes", "cpu_s", "rss_mib"),
    [(1_000, 12, 1.2 * 1024), (2_000, 50, 4 * 1024), (3_000, 120, 9 * 1024)],
)
def test_thousands_of_nodes_start_in_seconds_and_gigabytes(nodes: int, cpu_s: float, rss_mib: float) -> None:
    found = summary("start", nodes=nodes)
    assert (found["violations"], found["metric_mismatches"]) == (0, 0)
    assert found["peak_rss_mib"] <= rss_mib
    assert found["cpu_s"] <= cpu_s * SLOW


def test_the_order_of_hashes_changes_nothing_among_a_thousand_nodes() -> None:
    one, other = (summary("cut", nodes=1_000, hash_seed=seed) for seed in HASH_SEEDS)
    assert one["log_hash"] == other["log_hash"]


def test_a_cut_among_a_thousand_nodes_is_healed_within_fractions_of_a_second() -> None:
    found = summary("cut", nodes=1_000)
    assert (found["violations"], found["loops"]) == (0, 0)
    assert found["after_detection_s"]["median"] <= 0.06
    assert found["after_detection_s"]["p99"] <= 0.6


def test_ten_minutes_of_churn_among_five_hundred_nodes_make_no_loop() -> None:
    found = summary("churn", nodes=500)
    assert (found["violations"], found["loops"]) == (0, 0)


def test_a_hub_of_six_hundred_restarts() -> None:
    assert summary("hub", topology="star", nodes=601)["violations"] == 0


@pytest.mark.parametrize("scenario", ["start", "cut:flows=50"])
def test_hundreds_of_whole_nodes_start_and_heal(scenario: str) -> None:
    found = summary(scenario, nodes=300, fidelity=NODE)
    assert (found["violations"], found["loops"]) == (0, 0)


def test_a_thousand_nodes_at_rest_say_less_than_100_bytes_a_second() -> None:
    assert summary("idle", nodes=1_000)["idle_bytes_per_node_per_s"] < 100


def test_ten_thousand_nodes_with_small_tables_start_and_reach_each_other() -> None:
    found = summary("start", nodes=10_000, topology="internet")
    assert (found["violations"], found["loops"], found["metric_mismatches"]) == (0, 0, 0)
    assert found["peak_rss_mib"] <= 6 * 1024
    assert found["cpu_s"] <= 180 * SLOW
