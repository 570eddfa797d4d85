"""Link-local multicast on this host: the interfaces that support it, and a socket on each of them.

A socket is bound to the group on its interface and receives nothing else.
"""

import contextlib
import fcntl
import socket
import struct
from collections.abc import Collection
from typing import Final

from msgspec import Struct

from mycelium.errors import DeviceError
from mycelium.limits import BEACON_BUFFER_BYTES, DISCOVERY_INTERFACES
from mycelium.transport.underlay import Underlay

# <linux/sockios.h>, <net/if.h>, <linux/in6.h>: not in the socket module of Python 3.11
SIOCGIFFLAGS: Final = 0x8913
IFREQ: Final = struct.Struct("=16sH22x")
IFF_UP: Final = 0x1
IFF_LOOPBACK: Final = 0x8
IFF_POINTOPOINT: Final = 0x10  # TUN devices too
IFF_MULTICAST: Final = 0x1000
IPV6_MULTICAST_ALL: Final = 29  # also receives groups that other sockets of this host have joined

LINK_LOCAL: Final = socket.inet_pton(socket.AF_INET6, "fe80::")[:8]
_MEMBERSHIP: Final = struct.Struct("=16sI")


class Interface(Struct, frozen=True):
    """An interface that supports multicast; `source` is the link-local address, 16 bytes, that the kernel sends from."""

    index: int
    name: str
    source: bytes


def find_interfaces(group: str, *, only: Collection[str] = ()) -> list[Interface]:
    """Returns the interfaces that are up, neither loopback nor point to point, and have a link-local address.

    `only` restricts them to these names. An address that is still tested for duplicates does not count.
    """
    found: list[Interface] = []
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        for index, name in socket.if_nameindex():
            if (only and name not in only) or not _carries_multicast(probe, name):
                continue
            source = _source_towards(group, index)
            if source is not None:
                found.append(Interface(index, name, source))
            if len(found) == DISCOVERY_INTERFACES:
                break
    return found


def open_group_socket(group: str, port: int, interface: Interface, underlay: Underlay) -> socket.socket:
    """Opens a non-blocking socket that receives the group's datagrams on one interface; raises DeviceError."""
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        underlay.mark(udp)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # another node on this host may listen too
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BEACON_BUFFER_BYTES)
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        udp.setsockopt(socket.IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0)
        udp.bind((group, port, 0, interface.index))
        join(udp, group, interface.index)
    except (OSError, DeviceError) as error:
        udp.close()
        raise DeviceError(f"udp port {port}: {getattr(error, 'strerror', error)}") from error
    return udp


def join(udp: socket.socket, group: str, index: int) -> None:
    """Joins the group on an interface; raises OSError if the socket is a member already."""
    membership = _MEMBERSHIP.pack(socket.inet_pton(socket.AF_INET6, group), index)
    udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)


def leave(udp: socket.socket, group: str, index: int) -> None:
    """Leaves the group on an interface; does nothing if the interface is gone."""
    membership = _MEMBERSHIP.pack(socket.inet_pton(socket.AF_INET6, group), index)
    with contextlib.suppress(OSError):
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP, membership)


def _carries_multicast(probe: socket.socket, name: str) -> bool:
    try:
        answer = fcntl.ioctl(probe, SIOCGIFFLAGS, IFREQ.pack(name.encode(), 0))
    except OSError:  # the interface has just vanished
        return False
    flags: int = IFREQ.unpack(answer)[1]
    return flags & (IFF_UP | IFF_LOOPBACK | IFF_POINTOPOINT | IFF_MULTICAST) == IFF_UP | IFF_MULTICAST


def _source_towards(group: str, index: int) -> bytes | None:
    """Returns the source address that the kernel would use; connecting a UDP socket sends nothing."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((group, 9, 0, index))
        except OSError:
            return None
        source = socket.inet_pton(socket.AF_INET6, probe.getsockname()[0].partition("%")[0])
    return source if source.startswith(LINK_LOCAL) else None
