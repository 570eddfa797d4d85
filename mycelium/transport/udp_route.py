"""What `sendmsg` is given besides the datagrams: address, and control messages for source, traffic class and segment size."""

import socket
import struct
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.limits import SEGMENT_SIZES_REMEMBERED
from mycelium.transport.udp_address import ControlMessage, SocketAddress
from mycelium.transport.udp_socket import SOL_UDP, UDP_SEGMENT

_U16: Final = struct.Struct("=H")
_INT: Final = struct.Struct("=i")


class UdpRoute:
    """The arguments of `sendmsg` for one endpoint and traffic class, prepared once."""

    __slots__ = ("_class", "_controls", "address", "endpoint", "is_bound", "single", "traffic_class")

    def __init__(
        self, endpoint: Endpoint, address: SocketAddress, source: list[ControlMessage], traffic_class: int
    ) -> None:
        self.endpoint = endpoint
        self.address = address
        self.is_bound = bool(source)  # a source address is asked for
        self.traffic_class = traffic_class
        self._class = _class_message(endpoint, traffic_class) if traffic_class else []
        self.single = [*source, *self._class]  # control messages of a single datagram
        self._controls: dict[int, list[ControlMessage]] = {}

    def control(self, segment_size: int) -> list[ControlMessage]:
        """Returns the control messages for a batch that the kernel cuts into datagrams of `segment_size`."""
        control = self._controls.get(segment_size)
        if control is None:
            if len(self._controls) >= SEGMENT_SIZES_REMEMBERED:
                self._controls.clear()
            control = [*self.single, (SOL_UDP, UDP_SEGMENT, _U16.pack(min(segment_size, 0xFFFF)))]
            self._controls[segment_size] = control
        return control

    def forget_source(self) -> None:
        """Lets the kernel choose the source address from here on."""
        self.is_bound = False
        self.single = self._class
        self._controls.clear()


def _class_message(endpoint: Endpoint, traffic_class: int) -> list[ControlMessage]:
    value = _INT.pack(traffic_class)
    if ":" in endpoint.host:
        return [(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, value)]
    return [(socket.IPPROTO_IP, socket.IP_TOS, value)]
