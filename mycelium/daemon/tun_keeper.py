"""Keeps the TUN device as this program set it up, whatever else on this host changes or removes it.

A change on the host -> look -> repair. While packets can't pass, their senders are told; once a repair has failed, the route to
this node is withdrawn, and the repair is tried again from time to time, and whenever something on the host changes.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from time import monotonic
from typing import Final, Protocol

from mycelium.daemon.driver import Driver
from mycelium.errors import DeviceError
from mycelium.limits import TUN_REPAIRS_AT_ONCE, TUN_REPAIRS_PER_SECOND
from mycelium.node.node import Node
from mycelium.timing import Backoff, TokenBucket
from mycelium.transport.underlay import Underlay
from mycelium.tun.base import TunDevice
from mycelium.tun.upkeep import Fault

log = logging.getLogger("mycelium")

SETTLE_S: Final = 0.02  # changes come in bursts: one look at what they have come to
PAUSE_S: Final = 0.1  # between looks: routers change routes all the time
LEAST_WAIT_S: Final = 1.0  # least wait after a failed repair, whose own changes would start the next one
LONGEST_WAIT_S: Final = 30.0


class Upkeep(Protocol):
    """What is known of the device, and done about it: `tun.upkeep.TunUpkeep`."""

    @property
    def name(self) -> str: ...
    def configure(self) -> None: ...
    def fault(self) -> Fault | None: ...
    def repair(self, fault: Fault) -> None: ...
    def limit_super_packets(self, longest: int) -> None: ...


class Passage(Protocol):
    """The way of packets between this node and the device."""

    def close(self) -> None:
        """Packets can't pass: the device is not used, and senders are told."""

    def open(self) -> None:
        """Packets pass."""

    def withdraw(self) -> None:
        """Others are told that this node can't be reached, until `open`."""


class NodePassage:
    """The passage of a real node."""

    def __init__(self, node: Node, driver: Driver, tun: TunDevice, underlay: Underlay) -> None:
        self._node = node
        self._driver = driver
        self._tun = tun
        self._underlay = underlay

    def close(self) -> None:
        """Takes the device out of use."""
        self._node.receiving.has_device = False
        self._driver.detach()

    def open(self) -> None:
        """Uses the device, which may be a new one."""
        self._underlay.follow(self._tun.name)
        self._underlay.routes_changed()
        self._node.receiving.has_device = True
        self._driver.attach(self._tun)
        self._driver.act(lambda now: self._node.routing.readvertise(now=now))

    def withdraw(self) -> None:
        """Retracts the route to this node."""
        self._driver.act(lambda now: self._node.routing.withdraw(now=now))


class TunKeeper:
    """Looks after one device. `trouble` is what is wrong with it and could not be repaired."""

    def __init__(self, upkeep: Upkeep, passage: Passage, *, clock: Callable[[], float] = monotonic) -> None:
        self._upkeep = upkeep
        self._passage = passage
        self._clock = clock
        self._news = asyncio.Event()
        self._repairs = TokenBucket(TUN_REPAIRS_PER_SECOND, burst=TUN_REPAIRS_AT_ONCE, now=clock())
        self._backoff = Backoff(LEAST_WAIT_S, factor=2.0, ceiling=LONGEST_WAIT_S)
        self._is_open = True
        self.trouble: str | None = None

    @property
    def name(self) -> str:
        """The device's name."""
        return self._upkeep.name

    def start(self) -> None:
        """Configures the new device; raises DeviceError."""
        self._upkeep.configure()

    def look(self) -> None:
        """Has the device looked at soon: something on this host has changed."""
        self._news.set()

    def limit_super_packets(self, longest: int) -> None:
        """Has the device take super-packets of at most so many bytes; where that fails now, a repair does it."""
        try:
            self._upkeep.limit_super_packets(longest)
        except OSError:
            self.look()

    def lost(self) -> None:
        """Takes the device out of use: it can't be read any more."""
        self._close()
        self.look()

    async def run(self) -> None:
        """Looks and repairs until it is cancelled."""
        self.look()
        while True:
            await self._news.wait()
            await asyncio.sleep(SETTLE_S)
            self._news.clear()
            while (wait_s := self.keep()) is not None:
                await asyncio.sleep(LEAST_WAIT_S)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s - LEAST_WAIT_S):
                        await self._news.wait()
                self._news.clear()
            await asyncio.sleep(PAUSE_S)

    def keep(self) -> float | None:
        """Looks, repairs what is wrong, and returns after how many seconds to do so again; None if all is well."""
        name = self._upkeep.name
        try:
            fault = self._upkeep.fault()
            if self._upkeep.name != name:
                log.info("the TUN device %s is called %s now", name, self._upkeep.name)
            if fault is not None:
                self._repair(fault)
            self._is_well()
        except DeviceError as error:
            return self._failed(str(error))
        except OSError as error:
            return self._failed(f"the TUN device {self._upkeep.name} can't be looked at: {error.strerror}")
        return None

    def _repair(self, fault: Fault) -> None:
        what = f"the TUN device {self._upkeep.name} {fault.text}"
        if fault.stops:
            self._close()
        if not self._repairs.take(now=self._clock()):
            raise DeviceError(f"{what}, again and again: does another program manage it?")
        if self.trouble is None:
            log.warning("%s; it is being repaired", what)
        self._upkeep.repair(fault)
        left = self._upkeep.fault()
        if left is not None:
            raise DeviceError(f"the TUN device {self._upkeep.name} {left.text}, although it was repaired")
        log.info("the TUN device %s is as it was", self._upkeep.name)

    def _is_well(self) -> None:
        self.trouble = None
        self._backoff.reset()
        if not self._is_open:
            self._is_open = True
            self._passage.open()

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._passage.close()

    def _failed(self, reason: str) -> float:
        if reason != self.trouble:
            log.error("%s%s", reason, "" if self._is_open else "; others are told that this node can't be reached")
        self.trouble = reason
        if not self._is_open:
            self._passage.withdraw()
        return self._backoff.next()
