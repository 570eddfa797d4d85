"""The limit of open files: raised as far as it goes, and named where it is too low."""

import errno
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from mycelium.daemon.open_files import WANTED, allow_enough, explained
from mycelium.errors import DeviceError
from mycelium.limits import OPEN_FILES_AT_START

UNLIMITED = resource.RLIM_INFINITY


class Limits:
    """Stands in for the kernel's."""

    def __init__(self, soft: int, hard: int) -> None:
        self.now = (soft, hard)

    def getrlimit(self, _: int) -> tuple[int, int]:
        return self.now

    def setrlimit(self, _: int, limits: tuple[int, int]) -> None:
        self.now = limits


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Limits:
    limits = Limits(WANTED, WANTED)
    monkeypatch.setattr(resource, "getrlimit", limits.getrlimit)
    monkeypatch.setattr(resource, "setrlimit", limits.setrlimit)
    return limits


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((20, 100_000), (WANTED, 100_000)),
        ((20, 200), (200, 200)),
        ((20, UNLIMITED), (WANTED, UNLIMITED)),
        ((50_000, 100_000), (50_000, 100_000)),
        ((UNLIMITED, UNLIMITED), (UNLIMITED, UNLIMITED)),
        ((OPEN_FILES_AT_START, OPEN_FILES_AT_START), (OPEN_FILES_AT_START, OPEN_FILES_AT_START)),
    ],
)
def test_the_limit_is_raised_as_far_as_needed_and_allowed(
    limits: Limits, before: tuple[int, int], after: tuple[int, int]
) -> None:
    limits.now = before
    allow_enough()
    assert limits.now == after


def test_too_low_a_limit_is_a_reason_with_its_remedy(limits: Limits) -> None:
    limits.now = (30, 40)
    with pytest.raises(DeviceError, match=r"may open 40 files and sockets only, not 128: allow more, with 'ulimit -n'"):
        allow_enough()


def test_an_error_of_a_task_group_is_what_is_behind_it(limits: Limits) -> None:
    refused = DeviceError("refused")
    assert explained(ExceptionGroup("of tasks", [ExceptionGroup("inside", [refused]), ValueError()])) is refused
    found = explained(ExceptionGroup("of tasks", [OSError(errno.EMFILE, "Too many open files")]))
    assert isinstance(found, DeviceError)
    assert f"this process may not open more than {WANTED} files and sockets: allow more" in str(found)
    other = OSError(errno.EIO, "Input/output error")
    assert explained(other) is other


@pytest.mark.parametrize("limit", [10, OPEN_FILES_AT_START - 1])
def test_a_daemon_with_too_few_files_ends_with_the_reason(tmp_path: Path, limit: int) -> None:
    command = [sys.executable, "-m", "mycelium", "--no-tun", "--key-file", str(tmp_path / "key")]
    done = subprocess.run(
        ["prlimit", f"--nofile={limit}:{limit}", *command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"mycelium: this process may open {limit} files and sockets only, not 128: allow more"
    )
    assert done.stderr.count("\n") == 1
