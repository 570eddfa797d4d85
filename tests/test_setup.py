"""What pip installs: two packages with names of ours, which run without the repository."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from mycelium import __version__

ROOT: Final = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages as a wheel has them."""
    folder = tmp_path_factory.mktemp("build")
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in ("mycelium", "sim"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", "built"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    return folder / "built"


def run_installed(built: Path, code: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Runs code where only the built packages and the libraries can be imported."""
    isolated = f"import sys; sys.path[:0] = [{str(built)!r}]; sys.argv = {['program', *words]!r}; {code}"
    command = [sys.executable, "-P", "-c", isolated]
    return subprocess.run(command, cwd=built.parent.parent, capture_output=True, text=True, timeout=60, check=False)


def test_a_wheel_takes_no_name_that_others_use(built: Path) -> None:
    assert sorted(path.name for path in built.iterdir()) == ["mycelium", "mycelium_sim"]


def test_a_wheel_has_every_module_and_data_file(built: Path) -> None:
    for folder, package in (("mycelium", "mycelium"), ("sim", "mycelium_sim")):
        ours = {path.relative_to(ROOT / folder) for path in (ROOT / folder).rglob("*.*") if is_shipped(path)}
        assert ours <= {path.relative_to(built / package) for path in (built / package).rglob("*.*")}


def is_shipped(path: Path) -> bool:
    return path.suffix in (".py", ".typed", ".toml", ".csv", ".html", ".css", ".js", ".svg")


def test_the_daemons_command_runs_from_it(built: Path) -> None:
    done = run_installed(built, "from mycelium.__main__ import main; print(main.__module__); sys.exit(main())", "-V")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"mycelium.__main__\nmycelium {__version__}\n"


def test_the_simulators_command_runs_from_it_and_so_do_the_processes_of_a_sweep(built: Path, tmp_path: Path) -> None:
    code = "sys.modules['sim'] = None; from mycelium_sim.script import script\nif __name__ == '__main__': script()"
    words = ("sweep", "--nodes", "6", "--scenario", "cut", "--seeds", "0..1", "--workers", "1", "--out", str(tmp_path))
    program = tmp_path / "mycelium-sim.py"
    program.write_text(f"import sys; sys.path[:0] = [{str(built)!r}]\n{code}\n")
    done = subprocess.run(
        [sys.executable, program, *words], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "2 runs" in done.stderr


@pytest.mark.parametrize("library", ["networkx", "scipy", "matplotlib", "rich"])
def test_a_missing_library_is_one_line_before_anything_is_simulated(built: Path, tmp_path: Path, library: str) -> None:
    code = f"sys.modules[{library!r}] = None; from mycelium_sim.script import script; script()"
    done = run_installed(built, code, "run", "--nodes", "6", "--out", str(tmp_path / "out"))
    assert done.returncode == 1
    assert done.stderr == f"mycelium-sim: {library} is not installed: pip install 'mycelium-mesh[sim]'\n"
    assert done.stdout == ""
    assert not (tmp_path / "out").exists()
