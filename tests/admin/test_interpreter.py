"""What is told of the interpreter, by its own configuration."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from mycelium.admin import interpreter


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(sys, "base_prefix", "/opt/python")
    return monkeypatch


@pytest.mark.parametrize(
    ("options", "is_optimised"),
    [("'--enable-optimizations' '--with-lto'", True), ("'--prefix=/opt'", False), (None, False)],
)
def test_the_options_of_configure_tell_how_it_was_built(
    elsewhere: pytest.MonkeyPatch, options: str | None, is_optimised: bool
) -> None:
    elsewhere.setattr(sysconfig, "get_config_var", {"CONFIG_ARGS": options}.get)
    assert interpreter.is_optimised() is is_optimised
    assert ("built with profile" in interpreter.description()) is is_optimised


def test_debian_s_own_is_optimised_whatever_its_options_say(elsewhere: pytest.MonkeyPatch, tmp_path: Path) -> None:
    elsewhere.setattr(sysconfig, "get_config_var", {"CONFIG_ARGS": ""}.get)
    elsewhere.setattr(sys, "base_prefix", "/usr")
    elsewhere.setattr(interpreter, "DEBIAN", tmp_path)
    assert interpreter.is_optimised()
    elsewhere.setattr(interpreter, "DEBIAN", tmp_path / "missing")
    assert not interpreter.is_optimised()


def test_as_a_program_it_needs_nothing_installed_and_tells_by_its_status() -> None:
    done = subprocess.run([sys.executable, "-I", interpreter.__file__], capture_output=True, text=True, check=False)
    assert done.stdout == f"{interpreter.description()}\n"
    assert done.returncode == (not interpreter.is_optimised())
