"""What the service manager is told, over a real socket."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from math import inf
from pathlib import Path

import pytest

from mycelium.daemon.service_manager import ServiceManager
from tests.lab.waiting import PATIENCE_S

HOUR_US = "3600000000"


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """The socket of a manager, and how NOTIFY_SOCKET names it."""
    name = f"@mycelium-test-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(name.replace("@", "\0"))
        heard.settimeout(PATIENCE_S)
        yield heard, name


def test_the_manager_hears_of_start_reload_and_end(manager: tuple[socket.socket, str]) -> None:
    heard, name = manager
    told = ServiceManager({"NOTIFY_SOCKET": name})
    told.ready()
    with told.reloading():
        assert heard.recv(100) == b"READY=1"
        began, moment = heard.recv(100).decode().splitlines()
    told.stopping()
    assert (began, moment.partition("=")[0]) == ("RELOADING=1", "MONOTONIC_USEC")
    assert int(moment.partition("=")[2]) > 0
    assert [heard.recv(100), heard.recv(100)] == [b"READY=1", b"STOPPING=1"]


def test_a_reload_before_the_start_is_complete_does_not_end_the_start(manager: tuple[socket.socket, str]) -> None:
    heard, name = manager
    told = ServiceManager({"NOTIFY_SOCKET": name})
    with told.reloading():
        assert heard.recv(100).startswith(b"RELOADING=1")
    told.stopping()
    assert heard.recv(100) == b"STOPPING=1"


def test_a_watchdog_hears_that_the_loop_runs(manager: tuple[socket.socket, str]) -> None:
    heard, name = manager
    told = ServiceManager({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "2000", "WATCHDOG_PID": str(os.getpid())})

    async def live() -> None:
        heard.setblocking(False)
        living = asyncio.ensure_future(told.keep_alive())
        for _ in range(3):
            assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(heard, 100), PATIENCE_S) == b"WATCHDOG=1"
        living.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await living

    asyncio.run(live())


@pytest.mark.parametrize(
    "environment",
    [
        {"WATCHDOG_USEC": HOUR_US},
        {"NOTIFY_SOCKET": "/nowhere"},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "soon"},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "0"},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": HOUR_US, "WATCHDOG_PID": "1"},
    ],
    ids=["no manager", "no watchdog", "no number", "never", "another process"],
)
def test_nobody_watches(environment: dict[str, str]) -> None:
    told = ServiceManager(environment)
    assert told.alive_every_s == inf
    asyncio.run(told.keep_alive())


def test_a_manager_that_is_gone_or_absent_changes_nothing(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}):
        told = ServiceManager(environment)
        told.ready()
        told.stopping()


def test_half_of_the_watchdogs_patience_lies_between_two_signs() -> None:
    assert ServiceManager({"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": HOUR_US}).alive_every_s == 1_800
