"""What this process takes, and how late its event loop is."""

import asyncio
import contextlib
import os
import time

import pytest

from mycelium.daemon import process
from mycelium.daemon.process import LoopLag, cpu_seconds, resident_bytes
from tests.lab.process import rss_bytes

BLOCKED_S = 0.3


def test_processor_time_grows_while_something_computes() -> None:
    before = cpu_seconds()
    while cpu_seconds() < before + 0.02:
        pass


def test_memory_is_what_the_kernel_says_of_this_process() -> None:
    assert resident_bytes() == pytest.approx(rss_bytes(os.getpid()), rel=0.2)


def test_a_loop_that_stands_still_is_seen_to_be_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LOOK_S", 0.01)
    lag = LoopLag()

    async def run() -> None:
        looking = asyncio.ensure_future(lag.run())
        await asyncio.sleep(0)
        time.sleep(BLOCKED_S)  # noqa: ASYNC251  # what must not happen in a daemon
        await asyncio.sleep(0.02)  # after what was due before
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking

    asyncio.run(run())
    assert lag.histogram.sum >= BLOCKED_S - 0.01
