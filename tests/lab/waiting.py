"""Waiting for a condition with a deadline, so that no test sleeps on luck."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

POLL_SECONDS: Final = 0.02
# What a test waits for takes a moment; a machine that others use may take its time, and a test that passes waits no longer.
PATIENCE_S: Final = 30.0
STOPPED_S: Final = 1.0  # a sleep that lasts longer by this much says that nothing ran meanwhile, nor what is awaited


def wait_until(
    condition: Callable[[], T], seconds: float, what: str | Callable[[], str], *, every_s: float = POLL_SECONDS
) -> T:
    """Calls `condition` every `every_s` until it returns something true and returns that; AssertionError after `seconds`.

    `what` names what is awaited, or tells what is missing when the time is over. A time in which the whole machine stood still,
    as a virtual one does, or a container whose processes are frozen, does not count.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what if isinstance(what, str) else what()}")
        begin = time.monotonic()
        time.sleep(every_s)
        stopped_s = time.monotonic() - begin - every_s
        if stopped_s > STOPPED_S:
            deadline += stopped_s


def wait_steady(read: Callable[[], T], quiet_s: float, seconds: float, what: str | Callable[[], str]) -> T:
    """Waits until `read` has returned the same true value for `quiet_s`, and returns that; AssertionError after `seconds`."""
    last, since = read(), time.monotonic()

    def is_steady() -> bool:
        nonlocal last, since
        if (value := read()) != last:
            last, since = value, time.monotonic()
        return bool(last) and time.monotonic() >= since + quiet_s

    wait_until(is_steady, seconds, what, every_s=quiet_s / 4)
    return last
