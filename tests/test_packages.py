"""What is shipped besides the source: a wheel that pip and pipx take, and a Debian package made of it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import pytest

from mycelium import __version__
from mycelium.admin.service_unit import unit_text

pytest.importorskip("setuptools", minversion="77", reason="older ones make no wheel by themselves")

ROOT: Final = Path(__file__).resolve().parent.parent
OFFLINE: Final = "--no-deps --no-build-isolation --no-index"
SECONDS: Final = 200


def run(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Debian package puts onto a host, without the libraries."""
    folder = tmp_path_factory.mktemp("package")
    made = run(ROOT / "contrib/debian/build.sh", folder, PYTHON=sys.executable, PIP_OPTIONS=OFFLINE).strip()
    assert Path(made).name.startswith(f"mycelium-mesh_{__version__}_")
    run("dpkg-deb", "--raw-extract", made, folder / "root")
    return folder / "root"


def test_a_wheel_has_both_commands_and_runs_from_where_pip_puts_it(tmp_path: Path) -> None:
    source = tmp_path / "source"
    run("cp", "-R", "setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "mycelium", "sim", _made(source))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--quiet", *OFFLINE.split(), "--wheel-dir", tmp_path, source)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        [entries] = [name for name in packed.namelist() if name.endswith("entry_points.txt")]
        text = packed.read(entries).decode()
    assert "mycelium = mycelium.__main__:main" in text
    run(*pip, "install", "--quiet", *OFFLINE.split(), "--target", tmp_path / "there", wheel)
    assert run(tmp_path / "there/bin/mycelium", "-V", PYTHONPATH=str(tmp_path / "there")) == f"mycelium {__version__}\n"


def test_the_debian_package_has_program_service_manual_and_completion(unpacked: Path) -> None:
    assert (unpacked / "usr/lib/systemd/system/mycelium.service").read_text() == unit_text(Path("/usr/bin/mycelium"))
    for name in (
        "usr/lib/mycelium/mycelium/cli/main.py",
        "usr/share/man/man1/mycelium.1.gz",
        "usr/share/polkit-1/rules.d/mycelium.rules",
        "usr/share/bash-completion/completions/mycelium",
        "usr/share/zsh/vendor-completions/_mycelium",
        "usr/share/fish/vendor_completions.d/mycelium.fish",
    ):
        assert (unpacked / name).stat().st_size, name


def test_its_program_runs(unpacked: Path) -> None:
    program = (
        (unpacked / "usr/bin/mycelium").read_text().replace("/usr/lib/mycelium", str(unpacked / "usr/lib/mycelium"))
    )
    assert run(sys.executable, "-P", "-c", program, "-V") == f"mycelium {__version__}\n"


def test_its_control_files_are_whole(unpacked: Path) -> None:
    control = dict(
        line.split(": ", 1) for line in (unpacked / "DEBIAN/control").read_text().splitlines() if ": " in line
    )
    series = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"python3 (>= {series}~)" in control["Depends"]
    for script in ("postinst", "prerm", "postrm"):
        run("sh", "-n", unpacked / "DEBIAN" / script)
        assert (unpacked / "DEBIAN" / script).stat().st_mode & 0o111


def test_a_container_has_the_places_of_the_service() -> None:
    dockerfile = (ROOT / "contrib/docker/Dockerfile").read_text()
    compose = (ROOT / "contrib/docker/compose.yaml").read_text()
    assert "XDG_CONFIG_HOME=/etc XDG_DATA_HOME=/var/lib" in dockerfile
    copies = [line for line in dockerfile.splitlines() if line.startswith("COPY ") and "--from" not in line]
    copied = [name for line in copies for name in line.split()[1:-1]]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    for place in ("/etc/mycelium", "/var/lib/mycelium"):
        assert place in dockerfile
        assert place in compose


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
