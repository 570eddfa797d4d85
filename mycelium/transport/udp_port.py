"""Opens a UDP port: a socket for links, one for handshakes, and one for all else that strangers send there."""

import socket
from contextlib import ExitStack
from typing import NamedTuple

from mycelium.limits import STRANGERS_BUFFER_BYTES
from mycelium.transport.udp import UdpTransport
from mycelium.transport.udp_handshakes import UdpHandshakes
from mycelium.transport.udp_links import UdpLinks
from mycelium.transport.udp_socket import open_beside, open_udp_socket
from mycelium.transport.udp_steering import Steering
from mycelium.transport.udp_strangers import UdpStrangers
from mycelium.transport.udp_timestamps import start_timestamping
from mycelium.transport.underlay import Underlay


class UdpPort(NamedTuple):
    """The transports at one port, and what sorts the datagrams that arrive there; only the first transport sends."""

    transports: tuple[UdpTransport, ...]
    steering: Steering | None


def open_udp(host: str, port: int, *, dscp: bool = True, underlay: Underlay) -> UdpPort:
    """Listens as `UdpTransport.open` does. Where the kernel can't sort datagrams, one socket takes them all."""
    strangers = open_udp_socket(host, port, underlay)
    start_timestamping(strangers)
    with ExitStack() as opened:
        try:  # the order is that of STRANGERS, HANDSHAKES and LINKS
            handshakes = opened.enter_context(open_beside(strangers, underlay))
            links = opened.enter_context(open_beside(strangers, underlay))
            steering = Steering(links)
        except OSError:  # an old kernel
            return UdpPort((UdpTransport(strangers, dscp=dscp, underlay=underlay),), None)
        opened.pop_all()
    start_timestamping(links)
    for one in (strangers, handshakes):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STRANGERS_BUFFER_BYTES)
    for_links = UdpLinks(links, dscp=dscp, underlay=underlay)
    for_strangers = UdpStrangers(strangers, underlay=underlay)
    steering.on_replaced = lambda: for_links.overtake(for_strangers, steering.is_expected)
    return UdpPort((for_links, UdpHandshakes(handshakes, underlay=underlay), for_strangers), steering)
