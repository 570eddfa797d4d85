"""Opens and tunes UDP sockets: which family, buffers, don't-fragment, and which offloads the kernel has."""

import contextlib
import socket
from typing import Final

from mycelium.limits import SOCKET_BUFFER_BYTES
from mycelium.transport.binding import bind
from mycelium.transport.underlay import Underlay

# <linux/udp.h>, <linux/in.h>, <linux/in6.h>, <asm-generic/socket.h>: not in the socket module of Python 3.11
SOL_UDP: Final = 17
UDP_SEGMENT: Final = 103
UDP_GRO: Final = 104
IP_MTU_DISCOVER: Final = 10
IP_PKTINFO: Final = 8
IPV6_MTU_DISCOVER: Final = 23
IPV6_DONTFRAG: Final = 62
PMTUDISC_PROBE: Final = 3  # sets don't-fragment and ignores the kernel's estimate of the path MTU
SO_SNDBUFFORCE: Final = 32
SO_RCVBUFFORCE: Final = 33


def open_udp_socket(host: str, port: int, underlay: Underlay) -> socket.socket:
    """Binds a non-blocking UDP socket; `::` also takes IPv4, and is IPv4 alone on a machine without IPv6.

    `host` is numeric and may name an interface, as in fe80::1%eth0. Raises DeviceError.
    """

    def tune(udp: socket.socket) -> None:
        underlay.mark(udp)
        _tune(udp)

    return bind("udp", host, port, socket.SOCK_DGRAM, tune)


def open_beside(first: socket.socket, underlay: Underlay) -> socket.socket:
    """Binds a second socket to the address of one that `open_udp_socket` bound, which keeps other processes out."""
    second = socket.socket(first.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if first.family == socket.AF_INET6:
            second.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        underlay.mark(second)
        _tune(second)
        for one in (first, second):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        second.bind(first.getsockname())
    except BaseException:
        second.close()
        raise
    return second


def has_gso(udp: socket.socket) -> bool:
    """Tells whether the kernel cuts one large send into datagrams."""
    try:
        udp.getsockopt(SOL_UDP, UDP_SEGMENT)
    except OSError:
        return False
    return True


def enable_gro(udp: socket.socket) -> bool:
    """Asks the kernel to hand over runs of equal datagrams at once; tells whether it will."""
    try:
        udp.setsockopt(SOL_UDP, UDP_GRO, 1)
    except OSError:
        return False
    return True


def _tune(udp: socket.socket) -> None:
    _grow_buffers(udp)
    if udp.family == socket.AF_INET:
        udp.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    else:
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        udp.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE)
        udp.setsockopt(socket.IPPROTO_IPV6, IPV6_DONTFRAG, 1)
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    udp.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)
    udp.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)


def _grow_buffers(udp: socket.socket) -> None:
    for forced, plain in ((SO_RCVBUFFORCE, socket.SO_RCVBUF), (SO_SNDBUFFORCE, socket.SO_SNDBUF)):
        try:
            udp.setsockopt(socket.SOL_SOCKET, forced, SOCKET_BUFFER_BYTES)
        except PermissionError:  # without CAP_NET_ADMIN: as much as net.core.{r,w}mem_max allows
            with contextlib.suppress(OSError):
                udp.setsockopt(socket.SOL_SOCKET, plain, SOCKET_BUFFER_BYTES)
