"""Configures address, route, MTU and queue of the TUN device by netlink; the kernel removes them with the device.

Some messages and no library: importing one takes 0.1 s and 13 MiB, and a repair must not wait for a process of its own.
"""

import contextlib
import errno
import os
import socket
from socket import AF_INET6
from typing import Final

from mycelium.errors import DeviceError
from mycelium.limits import GSO_BYTES, OVERLAY_MTU
from mycelium.packet.netlink import (
    ADDRESS,
    IFA_ADDRESS,
    IFA_F_NODAD,
    IFA_LOCAL,
    IFF_UP,
    IFLA_AF_SPEC,
    IFLA_GSO_MAX_SIZE,
    IFLA_INET6_ADDR_GEN_MODE,
    IFLA_MTU,
    IFLA_TXQLEN,
    LINK,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    ROUTE,
    RT_TABLE_MAIN,
    RTA_DST,
    RTA_OIF,
    RTA_PRIORITY,
    RTM_F_FIB_MATCH,
    RTM_GETROUTE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWROUTE,
    RTN_UNICAST,
    RTPROT_KERNEL,
    attribute,
    attributes,
    number,
    number_attribute,
)
from mycelium.tun.rtnetlink import ask, change, is_absent

PREFIX: Final = "400::/7"  # all addresses of the overlay
PREFIX_BITS: Final = 7
QUEUE_LENGTH: Final = 1_000  # packets that wait for this process, as for most devices
_PREFIX_ADDRESS: Final = b"\4" + bytes(15)
_ADDR_GEN_MODE_NONE: Final = b"\1"  # no link-local address, for which the kernel would send router solicitations
_ROUTE_METRIC: Final = 256  # of the route that the kernel adds with an address: a repaired one takes the same place
_OPTIONAL: Final = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOENT)  # of attributes that some kernels do not support
_HOST_BITS: Final = 128


def configure(name: str, address: str, *, super_packet_bytes: int = GSO_BYTES, is_repair: bool = False) -> None:
    """Gives the device its IPv6 address and an on-link route to PREFIX, and brings it up.

    `super_packet_bytes` is the length of the longest super-packets that it takes. Raises DeviceError, also if another interface
    already has a route into the prefix. A repair leaves alone what is as it should be, and replaces a route over another
    interface that has taken the place of this one's.
    """
    try:
        index = socket.if_nametoindex(name)
    except OSError:
        raise DeviceError(f"no interface named {name}") from None
    packed = socket.inet_pton(AF_INET6, address)
    try:
        if not is_repair:
            _refuse_other(index, packed, longest=_HOST_BITS)
        _shape(index, super_packet_bytes)
        _add_address(index, packed)
        change(RTM_NEWLINK, LINK.pack(0, 0, index, IFF_UP, IFF_UP))
        if is_repair:
            _replace_route(index)
            _refuse_other(index, packed, longest=PREFIX_BITS)
    except OSError as error:
        raise DeviceError(_reason(name, error.errno or 0)) from error


def route_of(address: bytes) -> tuple[int, int]:
    """Returns the prefix length, and the index of the interface (0 for none), of the route to the overlay's addresses.

    It is looked up for an address that hardly any node has: the given one, moved to the other half of the prefix. A length of
    0 is no route.
    """
    stranger = bytes((address[0] ^ 1,)) + address[1:]
    asked = ROUTE.pack(AF_INET6, _HOST_BITS, 0, 0, 0, 0, 0, 0, RTM_F_FIB_MATCH) + attribute(RTA_DST, stranger)
    try:
        [route] = ask(RTM_GETROUTE, asked)
    except OSError as error:
        if is_absent(error):
            return 0, 0
        raise
    return ROUTE.unpack_from(route)[1], number(dict(attributes(route[ROUTE.size :])).get(RTA_OIF, b""))


def name_of(index: int) -> str:
    """Returns the name of the interface that a route leads to."""
    with contextlib.suppress(OSError):
        return socket.if_indextoname(index)
    return "an unreachable route"


def _refuse_other(index: int, address: bytes, *, longest: int) -> None:
    """Raises DeviceError if another interface holds a route to the prefix, or one into it of at most `longest` bits."""
    bits, other = route_of(address)
    if PREFIX_BITS <= bits <= longest and other != index:
        raise DeviceError(f"{name_of(other)} already holds a route into {PREFIX}: is another mycelium running?")


def limit_super_packets(index: int, super_packet_bytes: int) -> None:
    """Has the device take super-packets of at most so many bytes, and open connections note that; raises OSError.

    They keep what the device took when they looked up their route, until routes change: its route is replaced by an equal one.
    """
    change(RTM_NEWLINK, LINK.pack(0, 0, index, 0, 0) + number_attribute(IFLA_GSO_MAX_SIZE, super_packet_bytes))
    _replace_route(index)


def _shape(index: int, super_packet_bytes: int) -> None:
    """Sets MTU and queue length, and as far as the kernel knows them the largest super-packet and no address of its own."""
    head = LINK.pack(0, 0, index, 0, 0)
    change(RTM_NEWLINK, head + number_attribute(IFLA_MTU, OVERLAY_MTU) + number_attribute(IFLA_TXQLEN, QUEUE_LENGTH))
    mode = attribute(AF_INET6, attribute(IFLA_INET6_ADDR_GEN_MODE, _ADDR_GEN_MODE_NONE))
    for optional in (attribute(IFLA_AF_SPEC, mode), number_attribute(IFLA_GSO_MAX_SIZE, super_packet_bytes)):
        try:
            change(RTM_NEWLINK, head + optional)
        except OSError as error:
            if error.errno not in _OPTIONAL:
                raise


def _add_address(index: int, address: bytes) -> None:
    """Adds the address, without detection of duplicates: it is the hash of a key, so it is unique and usable at once."""
    head = ADDRESS.pack(AF_INET6, PREFIX_BITS, IFA_F_NODAD, 0, index)
    try:
        body = head + attribute(IFA_LOCAL, address) + attribute(IFA_ADDRESS, address)
        change(RTM_NEWADDR, body, flags=NLM_F_CREATE | NLM_F_EXCL)
    except FileExistsError:
        return


def _replace_route(index: int) -> None:
    head = ROUTE.pack(AF_INET6, PREFIX_BITS, 0, 0, RT_TABLE_MAIN, RTPROT_KERNEL, 0, RTN_UNICAST, 0)
    body = (
        attribute(RTA_DST, _PREFIX_ADDRESS)
        + number_attribute(RTA_OIF, index)
        + number_attribute(RTA_PRIORITY, _ROUTE_METRIC)
    )
    change(RTM_NEWROUTE, head + body, flags=NLM_F_CREATE | NLM_F_REPLACE)


def _reason(name: str, code: int) -> str:
    match code:
        case errno.EPERM:
            return f"no permission to configure {name}: CAP_NET_ADMIN is required"
        case errno.EACCES | errno.EAFNOSUPPORT | errno.EOPNOTSUPP:
            return (
                f"IPv6 is disabled on this host: sysctl net.ipv6.conf.{name}.disable_ipv6 must be 0, which a new interface "
                "has from net.ipv6.conf.default.disable_ipv6"
            )
        case _:
            return f"cannot configure {name}: {os.strerror(code)}"
