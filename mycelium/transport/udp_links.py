"""The socket for links at a UDP port whose datagrams the kernel sorts.

Datagrams under a new index wait among those of strangers until the kernel is told of it. From then on the link has two queues;
what is in the older one is moved here, so that its frames keep their order.
"""

import socket
from collections import deque
from collections.abc import Callable
from time import time

from mycelium.transport.base import Received, Transport
from mycelium.transport.udp import UdpTransport
from mycelium.transport.udp_mark import MARKED, unmarked
from mycelium.transport.udp_strangers import UdpStrangers
from mycelium.transport.underlay import Underlay


class UdpLinks(UdpTransport):
    """What neighbours send; everything is sent from here. `on_moved` is told of what can be read though the socket is empty."""

    __slots__ = ("_arrived_at", "_moved", "on_moved")

    def __init__(self, udp: socket.socket, *, dscp: bool = True, underlay: Underlay) -> None:
        super().__init__(udp, dscp=dscp, underlay=underlay)
        self._moved: deque[tuple[Received, float]] = deque()  # copies, and when they arrived, by the time of day
        self._arrived_at: float | None = None  # of what `receive` has returned last, if that was one of these
        self.on_moved: Callable[[Transport], object] = lambda transport: None

    def receive(self) -> Received | None:
        if not self._moved:
            self._arrived_at = None
            return super().receive()
        (data, size, source), self._arrived_at = self._moved.popleft()
        self.is_congested, self.is_drained = source.site == MARKED, False
        return data, size, unmarked(source)

    def waited_s(self) -> float:
        return super().waited_s() if self._arrived_at is None else max(time() - self._arrived_at, 0.0)

    def holds_more(self) -> bool:
        return bool(self._moved) or super().holds_more()

    def overtake(self, strangers: UdpStrangers, is_expected: Callable[[memoryview], bool]) -> None:
        """Takes from strangers' datagrams those that the kernel will hand to this socket from now on."""
        moved = strangers.set_aside(is_expected)
        if moved:
            self._moved += moved
            self.on_moved(self)
