"""The socket for links at a UDP port whose datagrams the kernel sorts.

Datagrams under a new index wait among those of strangers until the kernel is told of it. From then on the link has two queues;
what is in the older one is moved here, so that its frames keep their order.
"""

import socket
from collections.abc import Callable

from mycelium.transport.base import Transport
from mycelium.transport.udp import UdpTransport
from mycelium.transport.udp_strangers import UdpStrangers
from mycelium.transport.underlay import Underlay


class UdpLinks(UdpTransport):
    """What neighbours send; everything is sent from here. `on_moved` is told of what can be read though the socket is empty."""

    __slots__ = ("on_moved",)

    def __init__(self, udp: socket.socket, *, dscp: bool = True, underlay: Underlay) -> None:
        super().__init__(udp, dscp=dscp, underlay=underlay)
        self.on_moved: Callable[[Transport], object] = lambda transport: None

    def overtake(self, strangers: UdpStrangers, is_expected: Callable[[memoryview], bool]) -> None:
        """Takes from strangers' datagrams those that the kernel will hand to this socket from now on."""
        moved = strangers.set_aside(is_expected)
        if moved:
            self._held.extendleft(reversed(moved))  # before what was read here: that came later
            self.on_moved(self)
