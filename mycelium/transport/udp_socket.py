"""Opens and tunes UDP sockets: which family, buffers, don't-fragment, and which offloads the kernel has."""

import contextlib
import errno
import socket
from typing import Final

from mycelium.errors import DeviceError
from mycelium.limits import SOCKET_BUFFER_BYTES

# <linux/udp.h>, <linux/in.h>, <linux/in6.h>, <asm-generic/socket.h>: not in the socket module of Python 3.11
SOL_UDP: Final = 17
UDP_SEGMENT: Final = 103
UDP_GRO: Final = 104
IP_MTU_DISCOVER: Final = 10
IP_PKTINFO: Final = 8
IPV6_MTU_DISCOVER: Final = 23
IPV6_DONTFRAG: Final = 62
PMTUDISC_PROBE: Final = 3  # don't-fragment is set, and the kernel's own idea of the path MTU is ignored
SO_SNDBUFFORCE: Final = 32
SO_RCVBUFFORCE: Final = 33

NO_IPV6: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def open_udp_socket(host: str, port: int) -> socket.socket:
    """Binds a non-blocking UDP socket; `::` also takes IPv4, and is IPv4 alone on a machine without IPv6.

    `host` is numeric and may name an interface, as in fe80::1%eth0. Raises DeviceError.
    """
    try:
        try:
            return _bound(host, port)
        except OSError as error:
            if host != "::" or error.errno not in NO_IPV6:
                raise
            return _bound("0.0.0.0", port)
    except OSError as error:
        raise DeviceError(_explanation(host, port, error)) from error


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


def _bound(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE
    )[0]
    udp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        _tune(udp)
        udp.bind(address)
    except BaseException:
        udp.close()
        raise
    return udp


def _tune(udp: socket.socket) -> None:
    _grow_buffers(udp)
    if udp.family == socket.AF_INET:
        udp.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    else:
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        udp.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE)
        udp.setsockopt(socket.IPPROTO_IPV6, IPV6_DONTFRAG, 1)
    udp.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)


def _grow_buffers(udp: socket.socket) -> None:
    for forced, plain in ((SO_RCVBUFFORCE, socket.SO_RCVBUF), (SO_SNDBUFFORCE, socket.SO_SNDBUF)):
        try:
            udp.setsockopt(socket.SOL_SOCKET, forced, SOCKET_BUFFER_BYTES)
        except PermissionError:  # without CAP_NET_ADMIN: as much as net.core.{r,w}mem_max allows
            with contextlib.suppress(OSError):
                udp.setsockopt(socket.SOL_SOCKET, plain, SOCKET_BUFFER_BYTES)


def _explanation(host: str, port: int, error: OSError) -> str:
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if isinstance(error, socket.gaierror):
        return f"cannot listen on udp {shown}: not a numeric address"
    if error.errno == errno.EADDRINUSE:
        return f"udp port {port} is in use: is another mycelium running?"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot listen on udp {shown}: this machine does not have that address"
    return f"cannot listen on udp {shown}: {error.strerror}"
