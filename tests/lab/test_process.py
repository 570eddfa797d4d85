"""What /proc tells of a process."""

import os
import subprocess
import time

from tests.lab.process import cpu_seconds, description, processor_of, rss_bytes
from tests.lab.waiting import PATIENCE_S, wait_until


def test_a_process_that_works_uses_processor_time() -> None:
    before = cpu_seconds(os.getpid())
    assert before <= time.process_time() + 0.02  # in ticks of 10 ms
    while time.process_time() < before + 0.05:
        pass
    assert cpu_seconds(os.getpid()) > before


def test_it_runs_on_a_processor_that_it_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        for one in allowed:
            os.sched_setaffinity(0, {one})
            assert processor_of(os.getpid()) == one
    finally:
        os.sched_setaffinity(0, allowed)


def test_memory_is_counted_in_bytes() -> None:
    assert 5 << 20 < rss_bytes(os.getpid()) < 5 << 30


def test_what_a_process_is_doing_is_told() -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        wait_until(lambda: "nanosleep" in description(process.pid), PATIENCE_S, lambda: description(process.pid))
        told = description(process.pid)
        process.kill()
    assert f"process {process.pid}: sleep 1000\nstarted" in told
    assert f"thread {process.pid} (sleep), state S: " in told
    assert description(process.pid) == f"process {process.pid}: ended"
