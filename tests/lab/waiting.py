"""Waiting for a condition with a deadline, so that no test sleeps on luck."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

POLL_SECONDS: Final = 0.02


def wait_until(condition: Callable[[], T], seconds: float, what: str | Callable[[], str]) -> T:
    """Calls `condition` until it returns something true and returns that; AssertionError after `seconds`.

    `what` is awaited, or tells what is missing when the time is over.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what if isinstance(what, str) else what()}")
        time.sleep(POLL_SECONDS)
