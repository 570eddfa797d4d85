"""Writes of a daemon's own files: what fails is told once for each reason and tried again, and no two run at a time."""

import asyncio
import errno
import logging
import os
import threading
from collections.abc import Callable
from unittest.mock import Mock

import pytest

from mycelium.daemon import file_writes
from mycelium.daemon.file_writes import FileWrites
from tests.lab.waiting import PATIENCE_S

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
READ_ONLY = OSError(errno.EROFS, os.strerror(errno.EROFS))


def failing(error: OSError) -> Callable[[], None]:
    return Mock(side_effect=error)


def test_each_reason_is_told_once_until_a_write_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    writes = FileWrites("cannot write it to x", level=logging.ERROR)

    async def run() -> list[bool]:
        tried = (FULL, FULL, READ_ONLY, None, READ_ONLY)
        return [await writes.write(failing(error) if error else Mock()) for error in tried]

    assert asyncio.run(run()) == [False, False, False, True, False]
    full, read_only = (f"cannot write it to x: {error.strerror}" for error in (FULL, READ_ONLY))
    assert caplog.messages == [full, read_only, read_only]
    assert {record.levelno for record in caplog.records} == {logging.ERROR}


def test_a_host_without_a_thread_left_is_a_reason_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
    assert not asyncio.run(FileWrites("cannot write").write(Mock()))
    assert caplog.messages == ["cannot write: this host has no thread left for it"]


def test_the_last_write_waits_for_one_under_way() -> None:
    writes, begun, may_go_on, done = FileWrites("cannot write"), threading.Event(), threading.Event(), []

    def slow() -> None:
        begun.set()
        assert may_go_on.wait(PATIENCE_S)
        done.append("slow")

    async def run() -> None:
        writing = asyncio.ensure_future(writes.write(slow))
        while not begun.is_set():  # noqa: ASYNC110 - of another thread
            await asyncio.sleep(0.001)
        writing.cancel()

    asyncio.run(run())
    threading.Timer(0.05, may_go_on.set).start()
    writes.write_last(lambda: done.append("last"))
    assert done == ["slow", "last"]


def test_the_end_does_not_wait_for_a_disk_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(file_writes, "LAST_S", 0.01)
    writes, last = FileWrites("cannot write"), Mock()
    writes._turn.acquire()
    writes.write_last(last)
    last.assert_not_called()
    assert caplog.messages == ["cannot write: an earlier write of it has not ended"]
