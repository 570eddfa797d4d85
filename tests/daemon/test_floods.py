"""Whatever comes from outside by the thousand, the log grows by a few lines."""

import asyncio
import contextlib
import io
import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path
from time import monotonic
from typing import Final

import pytest

from mycelium.admin.log_flood import BoundedHandler
from mycelium.daemon.events import EventLog
from mycelium.endpoint import Endpoint
from mycelium.limits import LOG_LINES_AT_ONCE, LOG_LINES_OF_SUBJECT_AT_ONCE, LOG_TRACEBACKS_AT_ONCE
from mycelium.node.event_kind import EventKind
from mycelium.node.journal import Journal
from mycelium.wire.datagram import CHUNK, COOKIE, FRAME, HANDSHAKE_1
from tests.daemon.test_tun_keeper import LOST, Kept
from tests.lab.waiting import PATIENCE_S, wait_until
from tests.support.named_nodes import NOBODY

FLOOD: Final = 2_000
FEW_LINES: Final = 60  # of the start, and some of each flood, which a busy machine takes its time for
HERE: Final = Endpoint("udp", "192.0.2.1", 9651)
BAD_REQUESTS: Final = (
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET /api/v1/admin/nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"POST /api/v1/admin/peers HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{not json",
    b"POST /api/v1/admin/peers HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    b"GET /api/v1/admin/events?after=never HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"",
)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the log's handler writes of all loggers."""
    root, ours = logging.getLogger(), logging.getLogger("mycelium")
    handlers, level = root.handlers[:], ours.level
    handler = BoundedHandler(clock=lambda: 0.0)  # whatever the time that a flood takes
    handler.setStream(written := io.StringIO())
    root.handlers[:] = [handler]
    ours.setLevel(logging.DEBUG)
    yield written
    root.handlers[:] = handlers
    ours.setLevel(level)
    handler.close()


def lines(written: io.StringIO) -> int:
    return len(written.getvalue().splitlines())


# -- a real daemon -----------------------------------------------------------------------------------------------------


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def is_open(port: int) -> bool:
    with contextlib.suppress(OSError):
        connect(port).close()
        return True
    return False


def flood_udp(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(FLOOD):
            kind = (FRAME, CHUNK, HANDSHAKE_1, COOKIE, 0xFF)[number % 5]
            with contextlib.suppress(OSError):
                sender.sendto(bytes((kind,)) + os.urandom(20 + number % 1_200), ("127.0.0.1", port))


def flood_tcp(port: int, requests: tuple[bytes, ...], times: int) -> None:
    for number in range(times):
        with contextlib.suppress(OSError), connect(port) as stream:
            stream.sendall(requests[number % len(requests)])
            if number % 3 == 0:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # ends by a reset


def test_strangers_and_bad_requests_by_the_thousand_write_a_few_lines(tmp_path: Path) -> None:
    listen = ["--listen", "udp://127.0.0.1:0", "--listen", "tcp://127.0.0.1:0", "--no-tun"]
    own = ["--key-file", str(tmp_path / "key"), "--api-addr", "127.0.0.1:0", "--disable-peer-discovery", "--debug"]
    log = tmp_path / "log"

    def ports() -> list[int]:
        return [int(port) for port in re.findall(r"(?:API at |udp://|tcp://)127\.0\.0\.1:(\d+)", log.read_text())]

    with (
        log.open("w") as stderr,
        subprocess.Popen([sys.executable, "-m", "mycelium", *listen, *own], stderr=stderr) as daemon,
    ):
        try:
            wait_until(lambda: len(ports()) == 3, PATIENCE_S, "the daemon tells its ports")
            api, udp, tcp = ports()
            wait_until(lambda: is_open(api), PATIENCE_S, "the API is there")
            flood_udp(udp)
            flood_tcp(tcp, (os.urandom(300), b"", b"\0\1x", b"\xff\xff" + bytes(900)), FLOOD // 4)
            flood_tcp(api, BAD_REQUESTS, FLOOD // 4)
            assert is_open(api)
        finally:
            daemon.terminate()
            assert daemon.wait(PATIENCE_S) == 0
    told = log.read_text()
    assert "Traceback" not in told
    assert len(told.splitlines()) <= FEW_LINES, told


# -- what a daemon is made of ------------------------------------------------------------------------------------------


def test_neighbours_that_come_and_go_write_a_few_lines_each_and_in_all(written: io.StringIO) -> None:
    journal = Journal(now=monotonic())
    log = EventLog(journal, NOBODY)
    nodes = [b"\x04" + number.to_bytes(15, "big") for number in range(FLOOD)]
    for node in [*nodes[:1] * FLOOD, *nodes]:
        now = monotonic()
        journal.note(EventKind.LINK_UP, node=node, after=HERE, now=now)
        journal.note(EventKind.LINK_SUSPECT, node=node, silent_s=0.1, now=now)
        journal.note(EventKind.LINK_DOWN, node=node, cause="silent", silent_s=0.2, now=now)
        log.write_new()
    about_first = written.getvalue().count(f"{IPv6Address(nodes[0])} ")
    assert about_first == LOG_LINES_OF_SUBJECT_AT_ONCE < lines(written) <= LOG_LINES_AT_ONCE


def test_callbacks_that_fail_over_and_over_write_a_few_tracebacks(written: io.StringIO) -> None:
    def fail() -> None:
        raise OSError("the device is gone")

    async def run() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(FLOOD):
            loop.call_soon(fail)
        await asyncio.sleep(0)
        for _ in range(FLOOD):
            logging.getLogger("asyncio").warning("socket.send() raised exception.")

    asyncio.run(run())
    assert written.getvalue().count("Traceback") == LOG_TRACEBACKS_AT_ONCE
    assert written.getvalue().count("socket.send() raised exception.") == LOG_LINES_OF_SUBJECT_AT_ONCE


def test_a_device_that_fails_over_and_over_writes_a_few_lines(written: io.StringIO) -> None:
    kept = Kept()
    for _ in range(FLOOD):
        kept.breaks(LOST)
        kept.now += 1
    assert lines(written) <= 4 * (LOG_LINES_OF_SUBJECT_AT_ONCE + 1)
