"""How a signal ends the daemon, whatever it waits for at that moment."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
LAST_RESORT_S: Final = 1.8  # after a signal, until the process ends without further ado


class Stopped(BaseException):
    """A signal came while the daemon was being opened."""


@contextmanager
def on_stop(act: Callable[[], object]) -> Iterator[None]:
    """Calls `act` upon SIGINT or SIGTERM inside the block.

    The handlers are Python's, since those of an event loop are called only while it runs, not while a call of the system hangs.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        act()

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def raise_stopped() -> None:
    """Ends the opening, in which calls of the system may hang: a key file can be a pipe."""
    raise Stopped


def end_soon() -> None:
    """Ends this process in LAST_RESORT_S seconds, even if it hangs then; the kernel takes back what it holds."""
    timer = threading.Timer(LAST_RESORT_S, os._exit, [0])
    timer.daemon = True
    timer.start()
