"""Who has sent what one UDP socket receives, by what the kernel tells of it: mostly the same again, so that is remembered."""

import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

from mycelium.endpoint import Endpoint
from mycelium.limits import ENDPOINTS_REMEMBERED
from mycelium.transport.udp_address import (
    ControlMessage,
    FromSocket,
    SocketAddress,
    arrival_interface,
    from_inet,
    from_inet6,
)
from mycelium.transport.udp_mark import CLASS_KINDS, has_mark, marked
from mycelium.transport.udp_socket import SOL_UDP, UDP_GRO
from mycelium.transport.underlay import Underlay

_INT: Final = struct.Struct("=i")

# the source, `marked` if the datagrams are; the size that GRO tells of, 0 for a single datagram
Told = tuple[Endpoint, int]


class UdpSources:
    """The sources of one socket; `drop_inside` is called for datagrams that came through the overlay itself.

    `told` has what `understand` has returned, by address and control messages.
    """

    __slots__ = ("_by_address", "_drop_inside", "_from_socket", "_underlay", "bound", "told")

    def __init__(self, udp: socket.socket, underlay: Underlay, drop_inside: Callable[[], None]) -> None:
        self._from_socket: FromSocket = from_inet if udp.family == socket.AF_INET else from_inet6
        self._underlay = underlay
        self._drop_inside = drop_inside
        self._by_address: dict[tuple[SocketAddress, bytes], Endpoint] = {}
        self.bound = self._from_socket(udp.getsockname(), b"")
        self.told: dict[tuple[Any, ...], Told] = {}

    def __len__(self) -> int:
        return len(self._by_address)

    def understand(self, address: SocketAddress, ancillary: Sequence[ControlMessage]) -> Told | None:
        """Returns what the kernel has told of datagrams; None if they came through the overlay."""
        size, pktinfo, is_marked = 0, b"", False
        for level, kind, data in ancillary:
            if kind == UDP_GRO and level == SOL_UDP:
                size = _INT.unpack(data)[0]
            elif kind in CLASS_KINDS:
                is_marked = has_mark(data)
            else:
                pktinfo = data
        source = self.of(address, pktinfo, is_marked)
        if source is None:
            return None
        if len(self.told) >= ENDPOINTS_REMEMBERED:
            del self.told[next(iter(self.told))]
        told = self.told[(address, *ancillary)] = source, size
        return told

    def of(self, address: SocketAddress, pktinfo: bytes, is_marked: bool) -> Endpoint | None:
        """Returns the endpoint that a datagram came from, `marked` if it is; None if it came through the overlay."""
        known = self._by_address.get((address, pktinfo)) or self._remember(address, pktinfo)
        return known if known is None or not is_marked else marked(known)

    def _remember(self, address: SocketAddress, pktinfo: bytes) -> Endpoint | None:
        endpoint = self._from_socket(address, pktinfo)._replace(local_port=self.bound.port)
        if self._underlay.came_through_overlay(endpoint.host, arrival_interface(pktinfo)):
            self._drop_inside()
            return None
        if len(self._by_address) >= ENDPOINTS_REMEMBERED:
            del self._by_address[next(iter(self._by_address))]
        self._by_address[address, pktinfo] = endpoint
        return endpoint
