"""Messages and attributes of rtnetlink: <linux/netlink.h>, <linux/rtnetlink.h>, <linux/if_link.h>, rtnetlink(7)."""

import struct
import sys
from collections.abc import Iterator
from typing import Final

NLM_F_REQUEST: Final = 0x001
NLM_F_MULTI: Final = 0x002
NLM_F_DUMP: Final = 0x300
NLM_F_ACK: Final = 0x004
NLM_F_REPLACE: Final = 0x100
NLM_F_EXCL: Final = 0x200
NLM_F_CREATE: Final = 0x400
NLMSG_ERROR: Final = 2
NLMSG_DONE: Final = 3
RTM_NEWLINK: Final = 16
RTM_DELLINK: Final = 17
RTM_GETLINK: Final = 18
RTM_NEWADDR: Final = 20
RTM_DELADDR: Final = 21
RTM_GETADDR: Final = 22
RTM_NEWROUTE: Final = 24
RTM_DELROUTE: Final = 25
RTM_GETROUTE: Final = 26
RTM_NEWNEIGH: Final = 28
RTM_GETNEIGH: Final = 30
IFF_UP: Final = 0x1
IFF_LOWER_UP: Final = 0x1_0000  # has a carrier
IFLA_IFNAME: Final = 3
IFLA_MTU: Final = 4
IFLA_LINK: Final = 5
IFLA_TXQLEN: Final = 13
IFLA_LINKINFO: Final = 18
IFLA_AF_SPEC: Final = 26
IFLA_LINK_NETNSID: Final = 37
IFLA_GSO_MAX_SIZE: Final = 41
IFLA_INFO_KIND: Final = 1
IFLA_INFO_DATA: Final = 2
IFLA_VXLAN_LINK: Final = 3
IFLA_INET6_ADDR_GEN_MODE: Final = 8
IFA_F_NODAD: Final = 0x02
IFA_ADDRESS: Final = 1
IFA_LOCAL: Final = 2
AF_BRIDGE: Final = 7  # of neighbours: what a bridge has learned of hardware addresses
NDA_DST: Final = 1
NDA_LLADDR: Final = 2
NDA_MASTER: Final = 9
RTA_DST: Final = 1
RTA_SRC: Final = 2
RTA_OIF: Final = 4
RTA_GATEWAY: Final = 5
RTA_PRIORITY: Final = 6
RTA_PREFSRC: Final = 7
RTA_MARK: Final = 16
RTA_VIA: Final = 18  # a gateway of the other family
RT_TABLE_MAIN: Final = 254
RTPROT_KERNEL: Final = 2
RTN_UNICAST: Final = 1
RTN_BROADCAST: Final = 3
RTM_F_FIB_MATCH: Final = 0x2000  # return the matching route entry instead of the resolved route

LINK: Final = struct.Struct("=BxHiII")  # family, type, index, flags, change
ADDRESS: Final = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
ROUTE: Final = struct.Struct("=BBBBBBBBI")  # family, lengths, tos, table, protocol, scope, type, flags
NEIGHBOUR: Final = struct.Struct("=BxxxiHBB")  # family, index, state, flags, type

READ_BYTES: Final = 65_536  # of one read, at least as many as the kernel puts together
_NLA_TYPE_MASK: Final = 0x3FFF  # without the flags for nested attributes and for byte order

_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE: Final = struct.Struct("=HH")  # length, type
_NUMBER: Final = struct.Struct("=I")
_ERROR: Final = struct.Struct("=i")  # a negative errno


def message(kind: int, flags: int, body: bytes) -> bytes:
    """Returns one message."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    """Returns one attribute of a message's body, padded."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def number_attribute(kind: int, value: int) -> bytes:
    """Returns an attribute with a number of 32 bits."""
    return attribute(kind, _NUMBER.pack(value))


def number(value: bytes) -> int:
    """Returns the number in an attribute; 0 for an attribute that is not there."""
    return int.from_bytes(value, sys.byteorder)


def error_of(body: bytes) -> int:
    """Returns the errno of a NLMSG_ERROR; 0 for an acknowledgement."""
    code: int = _ERROR.unpack_from(body)[0]
    return -code


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yields type, flags and body of the messages that one read brought, up to the first malformed one."""
    position = 0
    while position + _HEADER.size <= len(data):
        length, kind, flags, _, _ = _HEADER.unpack_from(data, position)
        if length < _HEADER.size:
            return
        yield kind, flags, data[position + _HEADER.size : position + length]
        position += length + 3 & ~3


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields type and value of consecutive attributes, up to the first malformed one."""
    position = 0
    while position + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, position)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _NLA_TYPE_MASK, data[position + _ATTRIBUTE.size : position + length]
        position += length + 3 & ~3
