"""Opens and tunes TCP sockets, and converts their addresses."""

import errno
import ipaddress
import socket
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from math import inf
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.transport.binding import bind
from mycelium.transport.streams.causes import CONNECT
from mycelium.transport.udp_address import SocketAddress, from_inet, from_inet6
from mycelium.transport.udp_timestamps import TIMESPEC
from mycelium.transport.underlay import Underlay

SCHEME: Final = "tcp"
LISTEN_BACKLOG: Final = 128
# The kernel ends a connection whose data stays unacknowledged for this time. The link gives up the path sooner, but a new
# connection recovers faster than an old one, whose retransmission timer has backed off.
DEAD_AFTER_MS: Final = 4_000
# Most bytes that the kernel queues beyond those in flight: enough to keep the wire busy until the next wake-up. More would
# delay control messages, which can overtake data only in this process's own queue.
UNSENT_BYTES_IN_KERNEL: Final = 128 << 10
SO_TIMESTAMPNS: Final = 64  # SO_TIMESTAMPNS_NEW of <asm-generic/socket.h>
ANCILLARY_BYTES: Final = socket.CMSG_SPACE(TIMESPEC.size)


def listen(host: str, port: int, underlay: Underlay) -> socket.socket:
    """Opens a non-blocking socket that accepts connections; raises DeviceError, written for the operator."""

    def tune(listener: socket.socket) -> None:
        underlay.mark(listener)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of an earlier process in TIME_WAIT

    listener = bind(SCHEME, host, port, socket.SOCK_STREAM, tune)
    listener.listen(LISTEN_BACKLOG)
    return listener


def listen_at(addresses: Iterable[tuple[str, int]], underlay: Underlay) -> list[socket.socket]:
    """Opens such a socket at each of some hosts and ports; on DeviceError nothing stays open."""
    with ExitStack() as opened:
        listeners = [opened.enter_context(listen(host, port, underlay)) for host, port in addresses]
        opened.pop_all()
    return listeners


def connect(endpoint: Endpoint, underlay: Underlay) -> socket.socket:
    """Begins to connect to a numeric endpoint, without blocking; raises OSError if that fails at once."""
    try:
        version = ipaddress.ip_address(endpoint.host).version
    except ValueError:
        raise OSError(errno.EINVAL, "not a numeric address") from None
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    address = (endpoint.host, endpoint.port) if version == 4 else (endpoint.host, endpoint.port, 0, endpoint.scope)
    stream = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        underlay.mark(stream)
        tune(stream)
        error = stream.connect_ex(address)
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, CONNECT)
    except BaseException:
        stream.close()
        raise
    return stream


def tune(stream: socket.socket) -> None:
    """Sets the options of a connection: non-blocking, TCP_NODELAY, TCP_USER_TIMEOUT, TCP_NOTSENT_LOWAT, SO_TIMESTAMPNS."""
    stream.setblocking(False)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER_MS)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES_IN_KERNEL)
    with suppress(OSError):  # older kernels; no arrival time is known then
        stream.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


def read(stream: socket.socket, room: memoryview) -> tuple[int, float]:
    """Reads once; returns the number of bytes and when the last one arrived, in Unix time, infinity if that is unknown."""
    count, ancillary, _, _ = stream.recvmsg_into((room,), ANCILLARY_BYTES)
    if not ancillary:
        return count, inf
    seconds, nanoseconds = TIMESPEC.unpack(ancillary[0][2])
    return count, seconds + nanoseconds * 1e-9


def endpoint_at(address: SocketAddress) -> Endpoint:
    """Returns the endpoint of a remote address, with IPv4 never mapped into IPv6."""
    endpoint = from_inet(address, b"") if len(address) == 2 else from_inet6(address, b"")
    return endpoint._replace(scheme=SCHEME)


def local_address(stream: socket.socket) -> bytes:
    """Returns the local address of a connection, 4 or 16 bytes; raises OSError if the connection has ended."""
    return ipaddress.ip_address(endpoint_at(stream.getsockname()).host).packed


def arrival_interface(stream: socket.socket) -> int:
    """Returns the index of the interface that an accepted connection was opened on; 0 for an IPv4 socket.

    The kernel notes it as the interface for multicast of the new socket.
    """
    if stream.family != socket.AF_INET6:
        return 0
    return stream.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF)
