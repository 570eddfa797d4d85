"""What ./dev itself does, in an environment that is there already."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

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


def test_an_environment_that_is_a_link_is_not_made_anew_where_the_link_leads(tmp_path: Path) -> None:
    theirs, checkout = tmp_path / "theirs", tmp_path / "checkout"
    for folder in (theirs, checkout):
        folder.mkdir()
    theirs.joinpath("kept").touch()
    shutil.copy(ROOT / "dev", checkout)
    checkout.joinpath(".venv").symlink_to(theirs)
    environment = {key: value for key, value in os.environ.items() if key != "MYCELIUM_VENV"}
    done = subprocess.run(
        [checkout / "dev", "setup"], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, theirs.joinpath("kept").exists()) == (1, True)
    assert f"MYCELIUM_VENV={theirs}" in done.stderr


def run_stages(folder: Path, stages: str) -> "subprocess.CompletedProcess[str]":
    """Runs functions of ./dev as its commands do."""
    script = (ROOT / "dev").read_text().partition("\ncommand=")[0]
    return subprocess.run(
        ["bash", "-c", f"{script}\nprepare\n{stages}\nshow_results", ROOT / "dev"],
        env={**os.environ, "MYCELIUM_VENV": sys.prefix, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_results_of_a_run_are_shown_in_the_end_and_a_failure_is_its_status(tmp_path: Path) -> None:
    test = tmp_path / "test_x.py"
    test.write_text("def test_good(): pass\ndef test_bad(): assert 0\n")
    stages = f"""
        check truth true
        check falsehood false
        run_tests some -o cache_dir={tmp_path}/cache -c /dev/null {test}
        run_tests none -p no:cacheprovider -c /dev/null {tmp_path}/nothing.py
    """
    done = run_stages(tmp_path, stages)
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


def test_a_test_that_passes_when_it_runs_again_alone_is_shown_as_flaky(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(
        "from pathlib import Path\n"
        "import pytest\n"
        "MARK = Path(__file__).with_name('seen')\n"
        "@pytest.mark.parametrize('word', ['two words - [x]'])\n"
        "def test_once(word):\n    seen = MARK.exists()\n    MARK.touch()\n    assert seen\n"
        "def test_good(): pass\n"
    )
    run = f"run_tests some -n 2 -o cache_dir={tmp_path}/cache -c /dev/null {tmp_path}/test_x.py"
    done = run_stages(tmp_path, f"second_tries=1; {run}")
    *_, some, total = done.stdout.splitlines()
    assert (done.returncode, some.split()[0], total) == (0, "FLAKY", "2 passed, 0 failed")
    assert "then passed alone: " in some
    assert "test_x.py::test_once[two words - [x]]" in some


def test_no_more_failures_are_tried_again_than_that(tmp_path: Path) -> None:
    test = tmp_path / "test_x.py"
    test.write_text("def test_one(): assert 0\ndef test_two(): assert 0\n")
    run = f"run_tests some -o cache_dir={tmp_path}/cache -c /dev/null {test}"
    assert "once more" not in run_stages(tmp_path, f"second_tries=1; {run}").stderr
    again = run_stages(tmp_path, f"second_tries=2; {run}")
    assert "once more" in again.stderr
    assert again.stdout.splitlines()[-1] == "0 passed, 2 failed"


def test_what_passes_wholly_has_status_0(tmp_path: Path) -> None:
    done = run_stages(tmp_path, "check truth true")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1 passed, 0 failed")


def test_what_runs_beside_other_things_is_shown_where_its_result_is_asked_for(tmp_path: Path) -> None:
    stages = """
        begin good echo it is well
        begin bad sh -c 'echo it is not; exit 3'
        check first echo first
        check truth result_of good
        check falsehood result_of bad
    """
    done = run_stages(tmp_path, stages)
    shown = ["first", "it is well", "it is not", "ok first", "ok truth", "FAILED falsehood", "2 passed, 1 failed"]
    assert [" ".join(line.split()) for line in done.stdout.splitlines()] == shown


def test_bytecode_is_kept_where_the_environment_forbids_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imported.py").touch()
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    done = run_stages(tmp_path, f'cd {tmp_path} && check importing "$venv/bin/python" -c "import imported"')
    assert done.returncode == 0
    assert list(tmp_path.glob("__pycache__/imported.*.pyc"))


@pytest.mark.parametrize(
    ("answer", "status"),
    [("Would make no changes", 0), ("Would install 1 package\n + rich==99.0", 1), (None, 1)],
    ids=["none are newer", "one is newer", "no uv"],
)
def test_newest_versions_are_installed_unless_uv_says_that_they_are_there(
    tmp_path: Path, answer: str | None, status: int
) -> None:
    (tmp_path / "bin").mkdir()
    if answer is not None:
        uv = tmp_path / "bin" / "uv"
        uv.write_text(f"#!/bin/sh\necho '{answer}' >&2\n")
        uv.chmod(0o755)
    done = run_stages(tmp_path, f"venv={tmp_path}; check newest are_newest")
    assert done.returncode == status


def test_namespace_tests_that_lack_a_tool_are_a_failure(tmp_path: Path) -> None:
    done = run_stages(tmp_path, "LAB_TOOLS='no-such-tool some-package'; namespace_tests")
    assert done.returncode == 1
    assert "tests in network namespaces can not run: " in done.stderr
    reason = "missing Debian packages: some-package" if os.geteuid() == 0 else "that takes root"
    assert f"FAILED  tests in network namespaces   did not run: {reason}" in done.stdout


def test_a_python_with_an_optimised_build_is_preferred_to_the_first(tmp_path: Path) -> None:
    program = "#!/bin/sh\ncase $1 in -I) exit $OPTIMISED ;; esac\n"
    for name, optimised in (("python3", 1), ("python3.14", 1), ("python3.13", 0), ("python3.12", 0)):
        (tmp_path / name).write_text(program.replace("$OPTIMISED", str(optimised)))
        (tmp_path / name).chmod(0o755)
    script = (ROOT / "dev").read_text().partition("\ncommand=")[0].replace("/usr/bin/python3", "/nowhere/python3")

    def found() -> str:
        done = subprocess.run(
            ["bash", "-c", f"{script}\nPATH={tmp_path}:/usr/bin:/bin\nfind_python", ROOT / "dev"],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    assert found() == "python3.13"
    for name in ("python3.13", "python3.12", "python3.11"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    assert found() == "python3"
