"""`python -m mycelium` is the command line."""

import subprocess
import sys


def test_the_package_runs_as_the_command_line() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "mycelium", "inspect", "--help"], capture_output=True, text=True, check=True
    )
    assert "mycelium inspect" in shown.stdout
