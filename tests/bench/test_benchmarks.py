"""Every module directly in bench/ is a benchmark that says what it does, and runs; what they share lies below."""

import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
NAMES: Final = sorted(path.stem for path in ROOT.joinpath("bench").glob("*.py") if path.stem != "__init__")


SHORT: Final = {  # the least that each can do
    "attack": "--times 1 --attacks 'send digests'",
    "datapath": "--rounds 3",
    "deadlines": "--rounds 10",
    "heal": "--runs 1 --cases silent-cut --shapes square --systems mycelium",
    "hub": "--peers 20 --seconds 1 --settle 0 --lasting 1",
    "idle": "--nodes 3 --seconds 1 --settle 0",
    "injected": "--rates 2000 --seconds 1 --runs 1",
    "join": "--runs 1 --cases proxy",
    "nat": "--kinds port-restricted --seconds 2",
    "route_table": "50",
    "routing_scale": "30",
    "small_tables": "--nodes 8 --routes 4 --landmarks 1 --pairs 2",
    "soak": "--shape limited mixed --seconds 2",
    "strangers": "--connections 20 --kinds silent junk",
    "throughput": "--runs 1 --seconds 1 --systems limit mycelium"
    " --only idle processor '64 B' mixed nothing 'ping through one' 'after load' beside",
    "tun_coalesce": "--calls 1",
    "udp_transport": "--times 3 --runs 1",
}


def test_each_benchmark_has_a_short_run() -> None:
    assert sorted(SHORT) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_explains_itself(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(f"bench.{name}")
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 0
    assert re.search(rf"\./dev (bench )?{name}", capsys.readouterr().out)


@pytest.mark.netns
@pytest.mark.timeout(300)  # on a machine that is busy
@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_runs(name: str) -> None:
    command = [sys.executable, "-m", f"bench.{name}", *shlex.split(SHORT[name])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout
    assert "failed:" not in done.stderr
