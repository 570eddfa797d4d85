"""The command line of the simulator."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from sim.cli import main

SUMMARY_FIELDS = {
    "nodes",
    "links",
    "converged_s",
    "wall_s",
    "events",
    "messages",
    "bytes_per_node",
    "loops",
    "metric_mismatches",
    "violations",
    "peak_rss_mib",
    "log_hash",
    "outage_s",
    "after_detection_s",
}
BROKEN = 'about = "never settles"\nsteps = [{ do = "start" }, { do = "settle", within_s = 0.1 }]\n'


def test_json_on_standard_output_ends_with_the_summary(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    arguments = ["run", "--topology", "ring", "--nodes", "12", "--scenario", "cut:flows=10", "--seed", "7"]
    assert main([*arguments, "--json", "-", "--quiet"]) == 0
    lines = capfdbinary.readouterr().out.splitlines()
    assert msgspec.json.decode(lines[0])["type"] == "run"
    summary = msgspec.json.decode(lines[-1])
    assert set(summary) >= SUMMARY_FIELDS
    assert set(summary["outage_s"]) == {"median", "p99", "max"}


def test_a_run_prints_a_summary_and_leaves_records_plots_and_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--topology", "ring", "--nodes", "8", "--scenario", "cut:flows=5", "--out", str(tmp_path)]) == 0
    assert "log hash" in capsys.readouterr().out
    names = {entry.name for entry in tmp_path.iterdir()}
    assert {"run.jsonl", "report.html", "convergence.png"} <= names
    assert "violation.json" not in names


def test_a_violation_exits_with_1_and_leaves_what_it_takes_to_see_it_again(tmp_path: Path) -> None:
    scenario = tmp_path / "broken.toml"
    scenario.write_text(BROKEN)
    out = tmp_path / "out"
    assert main(["run", "--nodes", "10", "--scenario", str(scenario), "--out", str(out), "--quiet"]) == 1
    violation = msgspec.json.decode((out / "violation.json").read_bytes())
    assert violation["what"] == "not settled"
    assert violation["reproduce"]["command"].startswith("mycelium-sim run --topology ba:m=2 --nodes 10")
    assert violation["last_events"]


def test_list_names_topologies_and_scenarios_with_their_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    listed = msgspec.json.decode(capsys.readouterr().out)
    ba = next(entry for entry in listed["topologies"] if entry["name"] == "ba")
    assert ba["parameters"]["m"] == 2
    cut = next(entry for entry in listed["scenarios"] if entry["name"] == "cut")
    assert cut["parameters"] == {"flows": 200, "outage_max_s": 3.0}
    assert cut["promises"]["outage_max_s"] == 3.0
    assert main(["list"]) == 0
    assert "churn" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["run", "--scenario", "nowhere"], 2, "nowhere"),
        (["run", "--set", "surprise=1"], 2, "surprise"),
        (["run", "--topology", "nothing"], 2, "nothing"),
        (["run", "--scenario", "nothing"], 2, "nothing"),
        (["run", "--set", "nothing=1"], 2, "nothing"),
        (["sweep", "--topology", "nothing", "--seeds", "x"], 2, "x"),
        (["run", "--nodes", "many"], 2, "many"),
        (["run", "--json", "/proc/nowhere/file", "--nodes", "5"], 2, "/proc/nowhere"),
        (["leap"], 2, "leap"),
    ],
)
def test_a_mistake_is_one_clear_line(
    arguments: list[str], status: int, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == status
    error = capsys.readouterr().err
    assert error.startswith("mycelium-sim: ")
    assert complaint in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "told"), [(["-h"], "Usage: "), (["run", "-h"], "Usage: "), (["-V"], "mycelium-sim ")]
)
def test_help_and_version_have_short_names(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out.startswith(told)


def test_names_are_whole_on_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "uplinks" in [line.split(" ")[0] for line in lines]
    assert not any("…" in line for line in lines)


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "sim.cli", "list"], stdout=closed, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (141, "")


def test_ctrl_c_keeps_what_there_is() -> None:
    command = [
        sys.executable,
        "-m",
        "sim.cli",
        "run",
        "--nodes",
        "30",
        "--scenario",
        "churn:minutes=600.0,share_per_minute=2",
    ]
    with subprocess.Popen([*command, "--quiet", "--json", "-"], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        records = [msgspec.json.decode(running.stdout.readline()) for _ in range(20)]
        running.send_signal(signal.SIGINT)
        records += [msgspec.json.decode(line) for line in running.stdout]
        assert running.wait() == 0
    assert records[-1]["type"] == "summary"
    assert {"type": "action", "what": "interrupted"}.items() <= [
        record for record in records if record["type"] == "action"
    ][-1].items()
