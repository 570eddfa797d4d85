"""Serves the leases of this node's ports: sockets read by the loop, rules of the kernel, and what becomes of both."""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Final

from mycelium.errors import DeviceError
from mycelium.node.leasing import Leasing
from mycelium.outbox import LeaseClosed, LeaseEvent, LeaseOpened, LeasePortWanted
from mycelium.transport.ephemeral_port import EphemeralPort
from mycelium.transport.kernel_relay.relay import KernelRelay, try_kernel
from mycelium.transport.underlay import Underlay

log = logging.getLogger("mycelium")

SWITCHED_OFF: Final = "switched off (--no-relay-leases)"
READS_PER_WAKE: Final = 16  # from one port, before others have their turn


class KernelLeases:
    """The leases that this node gives. `act` calls the node with the time and carries out what it wants done."""

    def __init__(
        self,
        leasing: Leasing,
        underlay: Underlay,
        *,
        act: Callable[[Callable[[float], None]], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._leasing = leasing
        self._relay = KernelRelay(underlay)
        self._act = act
        self._loop = loop
        self._ports: dict[int, EphemeralPort] = {}  # by number of the lease
        self.trouble: str | None = "not tried yet"  # why no leases are given, for people

    async def offer(self) -> None:
        """Finds out whether the kernel can do it, and if so begins to give leases."""
        self.trouble = await self._loop.run_in_executor(None, try_kernel)
        self._leasing.given.is_offered = self.trouble is None
        if self.trouble is not None:
            log.info("no leases of this relay's ports: %s", self.trouble)

    def switch_off(self) -> None:
        """Gives no leases, as the operator wishes."""
        self.trouble = SWITCHED_OFF

    def serve(self, event: LeaseEvent) -> None:
        """Does what the node wants done for a lease."""
        try:
            match event:
                case LeasePortWanted():
                    self._open(event.lease)
                case LeaseOpened():
                    self._relay.pass_between(event.lease, event.one, event.other)
                    self._act(lambda now: self._leasing.passes(event.lease, now=now))
                case LeaseClosed():
                    self._close(event.lease)
        except DeviceError as error:
            self._fail(event.lease, str(error))

    def routes_changed(self) -> None:
        """Has datagrams follow the routes of this host."""
        for number, cause in self._relay.routes_changed().items():
            self._fail(number, cause)

    def close(self) -> None:
        """Ends all that the kernel does for leases."""
        for port in self._ports.values():
            self._loop.remove_reader(port.fileno())
        self._ports.clear()
        self._relay.close_all()

    def _open(self, number: int) -> None:
        port = self._ports[number] = self._relay.open(number)
        self._loop.add_reader(port.fileno(), self._on_port, number, port)
        self._act(lambda now: self._leasing.port_opened(number, port.port, now=now))

    def _close(self, number: int) -> None:
        port = self._ports.pop(number, None)
        if port is not None:
            self._loop.remove_reader(port.fileno())
        datagrams, size = self._relay.close(number)
        self._act(lambda now: self._leasing.closed(number, datagrams, size, now=now))

    def _fail(self, number: int, cause: str) -> None:
        log.debug("lease %d: %s", number, cause)
        self._act(lambda now: self._leasing.failed(number, cause, now=now))

    def _on_port(self, number: int, port: EphemeralPort) -> None:
        for _ in range(READS_PER_WAKE):
            received = port.receive()
            if received is None:
                return
            source, data = received
            answer = self._leasing.arrived(number, source, data, now=monotonic())
            if answer is not None:
                port.send(source, answer)
            self._act(lambda now: None)
            if self._ports.get(number) is not port:
                return
