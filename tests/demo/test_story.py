"""The demonstration comes true, run as a user runs it, and says so where it does not."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from demo.story import DETOUR, PINGS, SHORTEST, Figures

ROOT: Final = Path(__file__).parents[2]
SECONDS: Final = 280.0  # on a machine that is busy
GOOD: Final = Figures(
    answered=PINGS,
    round_trip_ms=1.2,
    outage_s=0.16,
    detour=DETOUR,
    path_after=SHORTEST,
    transfer_s=1.0,
    bits_per_second=1e9,
)


def test_figures_that_keep_all_promises_are_no_failure() -> None:
    assert GOOD.failures() == []


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (replace(GOOD, answered=PINGS - 1), "pings are answered, but 99 were"),
        (replace(GOOD, outage_s=1.2), "costs less than 1 s, but cost 1.20 s"),
        (replace(GOOD, detour=SHORTEST), "around the cut, but by amber → birch"),
        (replace(GOOD, path_after=[]), "taken again, but it is no path at all"),
    ],
)
def test_each_broken_promise_is_told(bad: Figures, told: str) -> None:
    [failure] = bad.failures()
    assert told in failure


@pytest.mark.netns
@pytest.mark.timeout(300)
def test_the_demonstration_comes_true() -> None:
    """The demonstration checks itself; what it prints is what it measured."""
    done = subprocess.run(
        [sys.executable, "-m", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    text = " ".join(done.stdout.split())
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert f"{PINGS} of {PINGS} answered" in text
    [outage_s] = re.findall(r"out for ([\d.]+) s", text)
    assert float(outage_s) < 1
    paths = re.findall(r"amber reaches fern by ((?:\w+ → )+\w+)", text)
    assert [path.split(" → ") for path in paths] == [SHORTEST, DETOUR, SHORTEST]
    assert re.search(r"MiB by TCP each way at once, every byte checked: intact, in [\d.]+ s", text)
    assert re.search(r"through two relays: [\d.]+ Gbit/s", text)
