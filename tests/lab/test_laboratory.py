"""A laboratory leaves nothing behind."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.cable_emulator import REPOSITORY, CableTraits
from tests.lab.laboratory import Lab, remove_leftovers
from tests.lab.waiting import PATIENCE_S

pytestmark = pytest.mark.netns


def test_closing_leaves_neither_process_nor_namespace() -> None:
    with Lab() as lab:
        [host] = lab.add_hosts(["one"])
        host.name_hosts({"a.test": "127.0.0.1"})
        stubborn = host.start("sh", "-c", "trap '' TERM INT; echo ready; sleep 1000 & wait", stdout=subprocess.PIPE)
        assert stubborn.stdout is not None
        assert stubborn.stdout.readline() == "ready\n"
    assert stubborn.wait(PATIENCE_S) == -signal.SIGKILL
    assert not Path("/run/netns", host.namespace).exists()
    assert not Path("/etc/netns", host.namespace).exists()


def test_what_a_killed_run_left_is_removed_by_the_next() -> None:
    script = """
import os
from subprocess import DEVNULL
from tests.lab.laboratory import Lab
from tests.lab.waiting import PATIENCE_S
from tests.lab.waiting import PATIENCE_S
[host] = Lab().add_hosts(["one"])
host.start("sleep", "1000", stdout=DEVNULL, stderr=DEVNULL)
print(host.namespace, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    left = Path("/run/netns", done.stdout.strip())
    assert left.exists()
    remove_leftovers()
    assert not left.exists()


def test_closing_ends_the_emulator_of_cables() -> None:
    with Lab() as lab:
        lab.add_cable(*lab.add_hosts(["one", "two"]), traits=CableTraits())
        [emulator] = [path for path in Path("/proc").glob("[0-9]*") if is_our_emulator(path)]
        assert lab.emulator_cpu_seconds() >= 0
    assert not emulator.exists()


def is_our_emulator(path: Path) -> bool:
    with contextlib.suppress(OSError):
        is_ours = path.joinpath("stat").read_text().rpartition(")")[2].split()[1] == str(os.getpid())
        return is_ours and b"tests.lab.cable_emulator" in path.joinpath("cmdline").read_bytes()
    return False
