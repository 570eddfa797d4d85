"""What ./dev itself does, in an environment that is there already."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
BENCHMARKS: Final = sorted(path.stem for path in (ROOT / "bench").glob("[a-z]*.py"))


def dev(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "MYCELIUM_VENV": sys.prefix, **environment}
    return subprocess.run([ROOT / "dev", *arguments], env=environment, capture_output=True, text=True, check=False)


def test_without_a_command_it_tells_which_there_are() -> None:
    assert dev().stdout.startswith("./dev demo")
    assert (dev("--help").returncode, dev("nonsense").returncode) == (0, 2)


def test_bench_lists_the_benchmarks_and_nothing_else() -> None:
    assert dev("bench").stdout.split() == BENCHMARKS


def test_an_unknown_benchmark_is_an_error() -> None:
    assert dev("bench", "nonsense").returncode == 1


def test_the_results_of_a_run_are_shown_in_the_end_and_a_failure_is_its_status(tmp_path: Path) -> None:
    test = tmp_path / "test_x.py"
    test.write_text("def test_good(): pass\ndef test_bad(): assert 0\n")
    stages = f"""
        prepare
        check truth true
        check falsehood false
        run_tests some -p no:cacheprovider -c /dev/null {test}
        run_tests none -p no:cacheprovider -c /dev/null {tmp_path}/nothing.py
        show_results
    """
    script = (ROOT / "dev").read_text().partition("\ncommand=")[0] + stages
    done = subprocess.run(
        ["bash", "-c", script, ROOT / "dev"],
        env={**os.environ, "MYCELIUM_VENV": sys.prefix, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    *_, truth, falsehood, some, none, total = done.stdout.splitlines()
    assert [line.split()[:2] for line in (truth, falsehood, some, none)] == [
        ["ok", "truth"],
        ["FAILED", "falsehood"],
        ["FAILED", "some"],
        ["FAILED", "none"],
    ]
    assert "1 failed, 1 passed" in some
    assert total == "2 passed, 3 failed"
    assert not list(tmp_path.glob("mycelium-dev*"))
