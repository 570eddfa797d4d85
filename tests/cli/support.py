"""What stands in for a daemon while a test runs command lines: its API in a thread of its own, or a function."""

import asyncio
import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest

from mycelium.admin.api_address import ApiAddress
from mycelium.admin.config import Settings
from tests.api.support import FakeNode, serving
from tests.lab.waiting import PATIENCE_S


@contextmanager
def served(node: FakeNode, address: ApiAddress, *, token: str | None = None) -> Iterator[ApiAddress]:
    """Serves `node` until left; yields the address with the port that the kernel chose."""
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()
    started: list[ApiAddress] = []
    ready = threading.Event()

    async def serve() -> None:
        async with serving(node, address, token=token) as server:
            started.append(server.address)
            ready.set()
            await stopping.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(PATIENCE_S)
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        loop.close()


def replace_daemon(monkeypatch: pytest.MonkeyPatch, run: Callable[[Settings], int]) -> None:
    """Has `mycelium run` call a function in place of the daemon."""
    daemon = types.ModuleType("mycelium.daemon.daemon")
    daemon.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mycelium.daemon.daemon", daemon)
    monkeypatch.setattr("mycelium.daemon.daemon", daemon, raising=False)


def on_a_terminal(
    command: Sequence[str], *, columns: int, env: Mapping[str, str] | None = None, typed: bytes = b""
) -> str:
    """Runs a program on a terminal of that width, and returns all that it shows, with what is typed there."""
    terminal, program_side = pty.openpty()
    os.write(terminal, typed)
    fcntl.ioctl(program_side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in (env or os.environ).items() if name != "COLUMNS"}
    program = subprocess.Popen(command, stdin=program_side, stdout=program_side, stderr=program_side, env=environment)
    os.close(program_side)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: the program has ended
        while part := os.read(terminal, 65_536):
            shown += part
    os.close(terminal)
    program.wait(30)
    return shown.decode().replace("\r\n", "\n")
