"""`python -m mycelium` is the command line, and so is the program that is installed."""

import signal
import subprocess
import sys
from functools import partial

import pytest


def test_the_package_runs_as_the_command_line() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "mycelium", "inspect", "--help"], capture_output=True, text=True, check=True
    )
    assert "mycelium inspect" in shown.stdout


# Ends as the command line is loaded: what is pressed then arrives in the middle of some module.
INTERRUPTED = """
import signal, sys
from mycelium.__main__ import main
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "mycelium.cli.main":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv[1:] = ["--version"]
sys.exit(main())
"""


@pytest.mark.parametrize(("handler", "status"), [(signal.SIG_DFL, -signal.SIGINT), (signal.SIG_IGN, 0)])
def test_an_interrupt_while_it_is_loaded_ends_it_quietly_if_it_may(handler: signal.Handlers, status: int) -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    inherited = partial(signal.signal, signal.SIGINT, handler)  # these tests themselves may run in the background
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, preexec_fn=inherited)
    assert (done.returncode, done.stderr) == (status, "")
