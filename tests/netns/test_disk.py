"""A disk that is full or read-only under a node's files: it joins its mesh all the same, and says what it could not keep."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.lab.daemon import START_SECONDS, LabDaemon
from tests.lab.mesh import DaemonMesh, line
from tests.lab.ping import answers
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh

pytestmark = pytest.mark.netns

FULL: Final = "mount -t tmpfs -o size=4k none $0 && cat {key} >$0/key && ! head -c 9000 /dev/zero >$0/ballast"
READ_ONLY: Final = "mount -t tmpfs none $0 && cat {key} >$0/key && mount -o remount,ro $0"


@pytest.fixture
def mesh(make_mesh: MakeMesh) -> DaemonMesh:
    return make_mesh(line("a", "b"))


def move_onto(daemon: LabDaemon, disk: Path, makes: str) -> None:
    """Has a daemon started with its key on a disk of its own, which only it and its children see."""
    disk.mkdir()
    script = f'umask 077; {makes.format(key=daemon.key_file)}; exec "$@" 2>&1'
    daemon.key_file = disk / "key"
    plain: Callable[[], list[str]] = daemon.arguments
    daemon.arguments = lambda: ["sh", "-c", script, os.fspath(disk), *plain()]  # type: ignore[method-assign]


def test_a_full_or_read_only_disk_keeps_no_node_from_its_mesh(mesh: DaemonMesh, tmp_path: Path) -> None:
    a, b = mesh["a"], mesh["b"]
    move_onto(a, tmp_path / "full", FULL)
    move_onto(b, tmp_path / "read-only", READ_ONLY)
    b.api_socket = tmp_path / "read-only" / "api"
    for daemon in (a, b):
        daemon.start()
    a.wait_ready()
    wait_until(lambda: answers(a.host, b.address), START_SECONDS, "b is reached")
    for daemon, reason in ((a, "No space left on device"), (b, "Read-only file system")):
        assert daemon.log().count(f"cannot note the time of this start in {daemon.key_file}.epoch: {reason}") == 1
    assert b.log().count(f"cannot serve the API at unix:{b.api_socket}: Read-only file system") == 1
    assert b.log().count("this node runs without it") == 1
