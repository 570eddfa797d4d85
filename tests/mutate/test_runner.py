import subprocess
import sys
from pathlib import Path

from tests.mutate.runner import LEAST_S, ROOT, SLOW, allowed_s

SOME = """
LIMIT = 10

def bounded(a):
    if a > LIMIT:
        return LIMIT
    return a

def endless(n):
    while n:
        n -= 1
    return 5
"""
TESTS = """
from some import bounded, endless

def test_bounded():
    assert bounded(3) == 3 and bounded(20) == 10

def test_endless():
    assert endless(3) == 5
"""
SAYS_WHEN_IT_RUNS = """
import os
from some import bounded

def test_bounded():
    bounded(3)
    with open(f"/proc/{os.getppid()}/fd/1", "w") as output:
        print("a test", file=output)
"""
CHANGES_THE_FILE = """
def test_another_source():
    with open("some.py") as file:
        text = file.read()
    with open("some.py", "w") as file:
        file.write("# another line" + chr(10) + text)
"""
PROGRAM = """
import sys, pytest
from pathlib import Path
from tests.mutate import runner
runner.LEAST_S = 0.1
some = Path("some.py").resolve()
plugin = runner.Runner({some: runner.mutants(some)}, lambda mutant, survived: survived and print(mutant.name, flush=True))
sys.exit(pytest.main(["-p", "no:xdist", "-p", "no:terminal", "-s", "test_some.py"], plugins=[plugin]))
"""


def run(folder: Path, tests: str) -> subprocess.CompletedProcess[str]:
    (folder / "some.py").write_text(SOME)
    (folder / "test_some.py").write_text(tests)
    environment = {"PYTHONPATH": f"{folder}:{ROOT}"}
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_only_what_no_test_notices_survives_and_an_endless_loop_is_noticed(tmp_path: Path) -> None:
    done = run(tmp_path, TESTS)
    assert (done.returncode, done.stdout) == (0, "bounded: a > LIMIT -> a >= LIMIT  in: if a > LIMIT:\n"), done.stderr


def test_tests_that_fail_without_a_change_end_the_run(tmp_path: Path) -> None:
    done = run(tmp_path, TESTS.replace("== 5", "== 6"))
    assert done.returncode != 0
    assert "the tests fail without a change" in done.stderr + done.stdout


def test_a_survivor_is_told_before_the_next_mutant_runs(tmp_path: Path) -> None:
    done = run(tmp_path, SAYS_WHEN_IT_RUNS)
    untouched, first, survivor, second, *_ = done.stdout.splitlines()
    assert {untouched, first, second} == {"a test"}
    assert survivor == "bounded: if a > LIMIT: -> if not a > LIMIT:  in: if a > LIMIT:"


def test_a_file_that_changes_meanwhile_is_searched_as_it_was(tmp_path: Path) -> None:
    done = run(tmp_path, TESTS + CHANGES_THE_FILE)
    assert (tmp_path / "some.py").read_text() != SOME
    assert (done.returncode, done.stdout) == (0, "bounded: a > LIMIT -> a >= LIMIT  in: if a > LIMIT:\n"), done.stderr


def test_a_change_may_make_a_test_slower_but_a_short_one_has_time_to_spare() -> None:
    assert allowed_s(0.001) == LEAST_S
    assert allowed_s(10 * LEAST_S) == 10 * LEAST_S * SLOW
