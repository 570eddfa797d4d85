"""A daemon that is told to stop, while all that it can wait for hangs: look-ups, connections, callers, readers, files."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mycelium.api.client import UnixConnection
from mycelium.daemon import stop
from mycelium.daemon.stop import LAST_RESORT_S, Stopped, end_soon, on_stop, raise_stopped
from mycelium.peering.configured import NAME_UNKNOWN
from tests.lab.waiting import PATIENCE_S, wait_until

STOP_S = LAST_RESORT_S + 20.0  # what a busy machine adds; less than what hangs would take
# The child's resolver: names that begin with "hang" never get an answer, no other is known.
RESOLVER = """
import socket, threading
plain = socket.getaddrinfo
def look_up(host, *arguments, **options):
    if options.get("flags"):  # a number
        return plain(host, *arguments, **options)
    if str(host).startswith("hang"):
        threading.Event().wait()
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
socket.getaddrinfo = look_up
"""


class Child:
    """A real daemon without TUN device, on loopback, whose standard error is a pipe."""

    def __init__(self, folder: Path, *options: str | Path, stderr: int = subprocess.PIPE) -> None:
        (folder / "sitecustomize.py").write_text(RESOLVER)
        self.api = folder / "api"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), os.getcwd())), "HOME": str(folder)}
        own = ("--key-file", folder / "key", "--api-addr", f"unix:{self.api}", "--no-tun", "--disable-peer-discovery")
        words = (sys.executable, "-m", "mycelium", *own, "--listen", "udp://127.0.0.1:0", *options)
        self.process = subprocess.Popen(list(map(str, words)), stderr=stderr, env=environment, text=True)

    def ask(self, path: str) -> Any:
        connection = UnixConnection(str(self.api), timeout_s=10)
        try:
            connection.request("GET", f"/api/v1/admin/{path}")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def wait_ready(self) -> None:
        def answers() -> bool:
            assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
            with contextlib.suppress(OSError):
                return bool(self.ask("status"))
            return False

        wait_until(answers, PATIENCE_S, "the daemon answers")

    def call(self, text: str) -> socket.socket:
        """Opens a connection to the API, writes to it and leaves it at that."""
        caller = socket.socket(socket.AF_UNIX)
        caller.connect(str(self.api))
        caller.sendall(text.encode())
        return caller

    def stop(self, sign: signal.Signals) -> float:
        """Ends it with a signal, which must be its end; returns how long that took."""
        began = time.monotonic()
        self.process.send_signal(sign)
        assert self.process.wait(10 * STOP_S) == 0
        return time.monotonic() - began

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()


@pytest.fixture
def children(tmp_path: Path) -> Iterator[list[Child]]:
    made: list[Child] = []
    yield made
    for child in made:
        child.close()


def test_whatever_hangs_delays_neither_other_peers_nor_the_end(tmp_path: Path, children: list[Child]) -> None:
    hanging = [f"udp://hang{number}.example" for number in range(100)]
    config = tmp_path / "mycelium.toml"
    config.write_text(f"peers = {json.dumps([*hanging, 'udp://unknown.example', 'tcp://192.0.2.1:9'])}")
    child = Child(tmp_path, "--config-file", config)
    children.append(child)
    child.wait_ready()

    def causes() -> dict[str, str]:
        return {event["peer"]: event["cause"] for event in child.ask("events") if event["kind"] == "peer-failed"}

    wait_until(
        lambda: causes().get("udp://unknown.example:9651") == NAME_UNKNOWN, PATIENCE_S, "another name is looked up"
    )
    wait_until(lambda: len(causes()) > len(hanging), PATIENCE_S, "the operator hears of the names that hang")
    assert causes()["udp://hang7.example:9651"] == "no name server has answered for 5 s"
    config.unlink()
    os.mkfifo(config)
    child.process.send_signal(signal.SIGHUP)  # reads what nobody writes
    callers = [
        child.call("GET /api/v1/admin/events?after=99999&wait=30 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        child.call("POST /api/v1/admin/peers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf"),
        child.call("GET /api/v1/admin/st"),
    ]
    assert child.ask("status")
    try:
        assert child.stop(signal.SIGTERM) < STOP_S
    finally:
        for caller in callers:
            caller.close()
    assert not child.api.exists()


def test_a_log_that_nobody_reads_stops_nothing(tmp_path: Path, children: list[Child]) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(select.PIPE_BUF))
    os.set_blocking(writing, True)
    child = Child(tmp_path, "--debug", "--peers", "udp://unknown.example", stderr=writing)
    children.append(child)
    child.wait_ready()
    wait_until(lambda: child.ask("events"), PATIENCE_S, "there is something to log")
    assert child.stop(signal.SIGTERM) < STOP_S
    os.close(reading)
    os.close(writing)


def test_a_signal_acts_inside_the_block_only() -> None:
    acted: list[int] = []
    before = signal.getsignal(signal.SIGTERM)
    with on_stop(lambda: acted.append(1)):
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped), on_stop(raise_stopped):
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    assert len(acted) == 2
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_last_resort_ends_a_process_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(stop, "LAST_RESORT_S", 0.001)
    end_soon()
    wait_until(lambda: ended == [0], PATIENCE_S, "the process is ended")
