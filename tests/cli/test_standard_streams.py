"""A program that was started without standard streams has some, and gives their numbers to nothing else."""

import subprocess
import sys

import pytest

from tests.lab.daemon import PROGRAM

CLOSED = "<&-", ">&-", "2>&-", "<&- >&- 2>&-"
TOLD = """
import os, socket, sys
from mycelium.cli.standard_streams import open_missing
open_missing()
print("x", file=sys.stdout, flush=True)
print("x", file=sys.stderr, flush=True)
assert sys.stdin.read() == ""
assert all(os.get_inheritable(number) for number in range(3))
os._exit(0 if socket.socket().fileno() > 2 else 9)
"""
MAIN = (
    "import os; from mycelium.cli.main import main; assert main(['version']) == 0; [os.fstat(one) for one in range(3)]"
)


def closed(closing: str, *command: str) -> int:
    script = f'exec "$@" {closing}'
    return subprocess.run(["sh", "-c", script, "sh", *command], stdin=subprocess.DEVNULL, timeout=60).returncode


@pytest.mark.parametrize("closing", CLOSED)
def test_no_socket_gets_the_number_of_a_closed_stream(closing: str) -> None:
    assert closed(closing, sys.executable, "-c", TOLD) == 0


@pytest.mark.parametrize("closing", CLOSED)
def test_a_command_does_its_work_without_them(closing: str) -> None:
    assert closed(closing, sys.executable, "-c", MAIN) == 0
    assert closed(closing, str(PROGRAM), "--nonsense") == 2
