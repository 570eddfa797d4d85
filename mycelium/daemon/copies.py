"""Notices that this machine may have been copied while it ran: a snapshot of it was restored, perhaps more than once.

Hypervisors with a generation counter (vmgenid) have Linux tell of it by an event, at once (6.8 or later). Elsewhere only the
clock may tell: it goes on where the snapshot was made, and is set forward some time later.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from time import CLOCK_BOOTTIME, clock_gettime, time
from typing import Final

log = logging.getLogger("mycelium")

SET_FORWARD_S: Final = 10.0  # shorter steps are those of a clock that is kept
KOBJECT_UEVENT: Final = 15  # the family of netlink, <linux/netlink.h>
KERNEL: Final = 0  # port of its netlink sockets
EVENTS: Final = 1  # group of the kernel's events, <linux/kobject.h>
EVENT_BYTES: Final = 2_048  # as long as the kernel's get
READS_PER_WAKE: Final = 64
COPIED: Final = b"NEW_VMGENID=1"


class ClockSteps:
    """Compares the time of day with how long the machine has run, each time it is asked."""

    __slots__ = ("_offset_s",)

    def __init__(self, offset_s: float) -> None:
        self._offset_s = offset_s

    def was_set_forward(self, offset_s: float) -> bool:
        """Tells, once each time, whether the time of day was set forward since the last call."""
        before, self._offset_s = self._offset_s, offset_s
        return offset_s - before > SET_FORWARD_S


def clock_offset_s() -> float:
    """Returns the time of day less how long this machine has run, sleep included: the same until somebody sets the clock."""
    return time() - clock_gettime(CLOCK_BOOTTIME)


class CopyWatch:
    """Calls `on_copied` when the kernel says that this machine is a copy."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_copied: Callable[[], None]) -> None:
        self._loop = loop
        self._on_copied = on_copied
        self._events = socket.socket(
            socket.AF_NETLINK,
            socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC,
            KOBJECT_UEVENT,
        )
        try:
            self._events.bind((0, EVENTS))
        except OSError as error:
            log.debug("no events of the kernel are heard: %s", error)
            return
        loop.add_reader(self._events.fileno(), self._on_readable)

    def close(self) -> None:
        """Hears no more."""
        self._loop.remove_reader(self._events.fileno())
        self._events.close()

    def _on_readable(self) -> None:
        for _ in range(READS_PER_WAKE):
            try:
                event, (sender, _) = self._events.recvfrom(EVENT_BYTES)
            except OSError:  # nothing left, or there were too many at once, and this one is not lost for it
                return
            if sender == KERNEL and is_news_of_copy(event):
                self._on_copied()


def is_news_of_copy(event: bytes) -> bool:
    """Tells whether an event of the kernel says that the machine has another generation."""
    return COPIED in event.split(b"\0")
