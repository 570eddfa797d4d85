"""Link-local multicast on this host: the interfaces that support it, and a socket for each group on each of them.

A socket is bound to the group on its interface and receives nothing else. An interface with IPv6 and IPv4 has two.
"""

import contextlib
import fcntl
import socket
import struct
from collections.abc import Collection, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from msgspec import Struct

from mycelium.errors import DeviceError
from mycelium.limits import BEACON_BUFFER_BYTES, DISCOVERY_INTERFACES
from mycelium.mapped_address import in_16_bytes
from mycelium.transport.underlay import Underlay

# <linux/sockios.h>, <net/if.h>, <linux/in.h>, <linux/in6.h>: not in the socket module of Python 3.11
SIOCGIFFLAGS: Final = 0x8913
SIOCGIFADDR: Final = 0x8915
SIOCGIFNETMASK: Final = 0x891B
IFREQ: Final = struct.Struct("=16sH22x")
IFREQ_IPV4: Final = struct.Struct("=16sHH4s16x")
IFF_UP: Final = 0x1
IFF_LOOPBACK: Final = 0x8
IFF_POINTOPOINT: Final = 0x10  # TUN devices have this flag too
IFF_MULTICAST: Final = 0x1000
IP_MULTICAST_ALL: Final = 49  # also receives groups that other sockets of this host have joined
IPV6_MULTICAST_ALL: Final = 29  # IP_MULTICAST_ALL for IPv6

LINK_LOCAL: Final = IPv6Network("fe80::/64")
_MEMBERSHIP: Final = struct.Struct("=16sI")  # struct ipv6_mreq
_MEMBERSHIP_IPV4: Final = struct.Struct("=4s4si")  # struct ip_mreqn: group, own address, interface


class Interface(Struct, frozen=True):
    """An interface on which a group can be joined.

    `source` is the address that the kernel sends from, 16 bytes, an IPv4 address mapped into IPv6; `network` has those that
    are on the same link.
    """

    index: int
    name: str
    group: str
    source: bytes
    network: IPv4Network | IPv6Network

    def is_on_link(self, host: str) -> bool:
        """Tells whether a numeric address is one of this link."""
        return ip_address(host) in self.network


def find_interfaces(groups: Collection[str], *, only: Collection[str] = ()) -> list[Interface]:
    """Returns the interfaces that are up, neither loopback nor point to point, and have an address for a group; for each group.

    That is a link-local one in IPv6. `only` restricts them to these names. An address that is still tested for duplicates does
    not count.
    """
    found: list[Interface] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        fit = (
            (index, name)
            for index, name in socket.if_nameindex()
            if (not only or name in only) and _carries_multicast(probe, name)
        )
        for number, (index, name) in enumerate(fit):
            if number == DISCOVERY_INTERFACES:
                break
            found += _on_interface(probe, index, name, groups)
    return found


def _on_interface(probe: socket.socket, index: int, name: str, groups: Collection[str]) -> Iterator[Interface]:
    for group in groups:
        own = _link_local_towards(group, index) if _is_ipv6(group) else _ipv4_of(probe, name)
        if own is not None:
            yield Interface(index, name, group, *own)


def open_group_socket(port: int, interface: Interface, underlay: Underlay) -> socket.socket:
    """Opens a non-blocking socket that receives the group's datagrams on one interface; raises DeviceError."""
    family = socket.AF_INET6 if _is_ipv6(interface.group) else socket.AF_INET
    udp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        underlay.mark(udp)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # another node on this host may listen too
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BEACON_BUFFER_BYTES)
        if family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
            udp.setsockopt(socket.IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0)
        else:
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
            udp.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, _membership(interface))
        udp.bind(group_address(interface, port))
        join(udp, interface)
    except (OSError, DeviceError) as error:
        udp.close()
        raise DeviceError(f"udp port {port}: {getattr(error, 'strerror', error)}") from error
    return udp


def group_address(interface: Interface, port: int) -> tuple[str, int, int, int] | tuple[str, int]:
    """Returns where datagrams to the group on an interface are sent, as sockets of its family have it."""
    return (interface.group, port, 0, interface.index) if _is_ipv6(interface.group) else (interface.group, port)


def join(udp: socket.socket, interface: Interface) -> None:
    """Joins the group on an interface; raises OSError if the socket is a member already."""
    if _is_ipv6(interface.group):
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, _membership(interface))
    else:
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _membership(interface))


def leave(udp: socket.socket, interface: Interface) -> None:
    """Leaves the group on an interface; does nothing if the interface is gone."""
    with contextlib.suppress(OSError):
        if _is_ipv6(interface.group):
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP, _membership(interface))
        else:
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, _membership(interface))


def _is_ipv6(group: str) -> bool:
    return ":" in group


def _membership(interface: Interface) -> bytes:
    if _is_ipv6(interface.group):
        return _MEMBERSHIP.pack(socket.inet_pton(socket.AF_INET6, interface.group), interface.index)
    return _MEMBERSHIP_IPV4.pack(socket.inet_aton(interface.group), interface.source[-4:], interface.index)


def _carries_multicast(probe: socket.socket, name: str) -> bool:
    try:
        answer = fcntl.ioctl(probe, SIOCGIFFLAGS, IFREQ.pack(name.encode(), 0))
    except OSError:  # the interface has just vanished
        return False
    flags: int = IFREQ.unpack(answer)[1]
    return flags & (IFF_UP | IFF_LOOPBACK | IFF_POINTOPOINT | IFF_MULTICAST) == IFF_UP | IFF_MULTICAST


def _link_local_towards(group: str, index: int) -> tuple[bytes, IPv6Network] | None:
    """Returns the source address that the kernel would use; connecting a UDP socket sends nothing."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect((group, 9, 0, index))
            source = ip_address(probe.getsockname()[0].partition("%")[0])
    except OSError:
        return None
    return (source.packed, LINK_LOCAL) if source in LINK_LOCAL else None


def _ipv4_of(probe: socket.socket, name: str) -> tuple[bytes, IPv4Network] | None:
    """Returns the first IPv4 address of an interface, and its network."""
    wanted = IFREQ_IPV4.pack(name.encode(), socket.AF_INET, 0, bytes(4))
    try:
        address, mask = (
            socket.inet_ntoa(IFREQ_IPV4.unpack(fcntl.ioctl(probe, request, wanted))[3])
            for request in (SIOCGIFADDR, SIOCGIFNETMASK)
        )
    except OSError:  # it has none
        return None
    network = ip_network(f"{address}/{mask}", strict=False)
    assert isinstance(network, IPv4Network)
    return in_16_bytes(address), network
