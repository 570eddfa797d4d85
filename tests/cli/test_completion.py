"""Completion by shells: what is printed is a script, and what that asks is answered."""

import os
import shutil
import subprocess

import pytest

from mycelium.cli.completion import SHELLS
from mycelium.cli.main import main
from tests.lab.daemon import PROGRAM

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_for_each_shell_is_printed(shell: str, capsys: Capture) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "_MYCELIUM_COMPLETE" in script
    program = shutil.which(shell)
    if program is not None:
        subprocess.run([program, "-n"], input=script, text=True, check=True, timeout=60)


def test_another_shell_is_a_mistake_of_usage(capsys: Capture) -> None:
    assert main(["completion", "csh"]) == 2
    assert "'csh' is not one of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("mycelium jo", "join"),
        ("mycelium service un", "uninstall"),
        ("mycelium invite --us", "--uses"),
        ("mycelium run --landmark y", "plain,yes"),
        ("mycelium run --policy ", "plain,closed"),
        ("mycelium run --log-format j", "plain,journald"),
        ("mycelium run --share-links m", "plain,members"),
        ("mycelium run --hosts-file /et", "file,/et"),
    ],
)
def test_what_a_shell_asks_is_answered(words: str, expected: str) -> None:
    asked = {"_MYCELIUM_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run(
        [PROGRAM], env={**os.environ, **asked}, capture_output=True, text=True, timeout=60, check=True
    )
    assert expected in done.stdout
