"""Tells the service manager how the daemon is: sd_notify(3), by datagrams to the socket that NOTIFY_SOCKET names.

Where no manager waits for them, nothing is sent.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator, Mapping
from math import inf
from time import monotonic_ns
from typing import Final

SEND_TIMEOUT_S: Final = 1.0  # the manager reads at once, unless it is about to end


class ServiceManager:
    """The manager that started this process, as its environment tells."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address  # an abstract socket
        self._is_ready = False
        self.alive_every_s = _watchdog_s(environment) / 2 if address else inf  # infinity: nobody watches

    def ready(self) -> None:
        """Says that the daemon serves."""
        self._is_ready = True
        self._tell("READY=1")

    def stopping(self) -> None:
        """Says that the daemon is about to end."""
        self._tell("STOPPING=1")

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """Says when a reload begins and when it is over."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={monotonic_ns() // 1_000}")
        try:
            yield
        finally:
            if self._is_ready:
                self._tell("READY=1")

    async def keep_alive(self) -> None:
        """Says that the event loop runs, until it is cancelled: a daemon that hangs is started again."""
        while self.alive_every_s != inf:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self.alive_every_s)

    def _tell(self, news: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
            to.settimeout(SEND_TIMEOUT_S)
            to.sendto(news.encode(), self._address)


def _watchdog_s(environment: Mapping[str, str]) -> float:
    """Returns after how long a silence the manager takes this process for dead."""
    period, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", str(os.getpid()))
    return int(period) / 1e6 if period.isdecimal() and int(period) and process == str(os.getpid()) else inf
