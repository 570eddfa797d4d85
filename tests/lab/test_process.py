"""What /proc tells of a process."""

import os
import time

from tests.lab.process import cpu_seconds, rss_bytes


def test_a_process_that_works_uses_processor_time() -> None:
    before = cpu_seconds(os.getpid())
    assert before <= time.process_time() + 0.02  # in ticks of 10 ms
    while time.process_time() < before + 0.05:
        pass
    assert cpu_seconds(os.getpid()) > before


def test_memory_is_counted_in_bytes() -> None:
    assert 5 << 20 < rss_bytes(os.getpid()) < 5 << 30
