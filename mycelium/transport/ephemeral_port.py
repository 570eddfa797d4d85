"""A UDP socket at a port that the kernel chooses: of a lease, or for one datagram to be sent from."""

import socket
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.transport.binding import bind
from mycelium.transport.udp_address import arrival_interface, from_inet, from_inet6, to_inet, to_inet6
from mycelium.transport.udp_socket import IP_PKTINFO
from mycelium.transport.underlay import Underlay

READ_BYTES: Final = 256  # of one datagram; binds have 40, what is longer is none
READS_AT_ONCE: Final = 16  # of datagrams that came through the overlay, which are dropped
ANCILLARY_BYTES: Final = socket.CMSG_SPACE(20)  # room for the larger PKTINFO


class EphemeralPort:
    """The socket; marked as all of the node are. Raises DeviceError if it can't be opened."""

    def __init__(self, underlay: Underlay) -> None:
        self._underlay = underlay
        self._socket = bind("udp", "::", 0, socket.SOCK_DGRAM, self._tune)
        self._is_inet = self._socket.family == socket.AF_INET
        self.port: int = self._socket.getsockname()[1]

    def _tune(self, udp: socket.socket) -> None:
        self._underlay.mark(udp)
        udp.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        if udp.family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)

    def fileno(self) -> int:
        """The descriptor."""
        return self._socket.fileno()

    def receive(self) -> tuple[Endpoint, bytes] | None:
        """Returns the source and the bytes of one datagram, or None when nothing is queued.

        The scope of the source is the index of the interface on which it was heard, whatever its address.
        """
        for _ in range(READS_AT_ONCE):
            try:
                data, ancillary, _, address = self._socket.recvmsg(READ_BYTES, ANCILLARY_BYTES)
            except OSError:  # nothing is queued, or what was sent did not arrive
                return None
            pktinfo = ancillary[0][2] if ancillary else b""
            source = (from_inet if self._is_inet else from_inet6)(address, pktinfo)
            interface = arrival_interface(pktinfo)
            if not self._underlay.came_through_overlay(source.host, interface):
                return source._replace(scope=interface), data
        return None

    def send(self, endpoint: Endpoint, data: bytes) -> None:
        """Sends a datagram, from the address at which the endpoint was heard; what can't be sent is lost."""
        try:
            address, source = (to_inet if self._is_inet else to_inet6)(endpoint)
            self._socket.sendmsg([data], source, 0, address)
        except OSError:
            return

    def close(self) -> None:
        """Gives the port back."""
        self._socket.close()
