"""Questions to the kernel by rtnetlink, and changes: <linux/rtnetlink.h>, <linux/if_link.h>, rtnetlink(7)."""

import errno
import os
import socket
import struct
import sys
from typing import Final

from mycelium.packet.netlink import NLM_F_DUMP, NLM_F_REQUEST, message, messages

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
NLM_F_ACK: Final = 0x004
NLM_F_REPLACE: Final = 0x100
NLM_F_EXCL: Final = 0x200
NLM_F_CREATE: Final = 0x400
IFF_UP: Final = 0x1
IFF_LOWER_UP: Final = 0x1_0000  # has a carrier
IFLA_IFNAME: Final = 3
IFLA_MTU: Final = 4
IFLA_TXQLEN: Final = 13
IFLA_AF_SPEC: Final = 26
IFLA_GSO_MAX_SIZE: Final = 41
IFLA_INET6_ADDR_GEN_MODE: Final = 8
IFA_F_NODAD: Final = 0x02
IFA_ADDRESS: Final = 1
IFA_LOCAL: Final = 2
RTA_DST: Final = 1
RTA_OIF: Final = 4
RTA_PRIORITY: Final = 6
RT_TABLE_MAIN: Final = 254
RTPROT_KERNEL: Final = 2
RTN_UNICAST: Final = 1
RTM_F_FIB_MATCH: Final = 0x2000  # return the matching route entry instead of the resolved route

LINK: Final = struct.Struct("=BxHiII")  # family, type, index, flags, change
ADDRESS: Final = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
ROUTE: Final = struct.Struct("=BBBBBBBBI")  # family, lengths, tos, table, protocol, scope, type, flags

READ_BYTES: Final = 65_536
ANSWER_S: Final = 1.0  # the kernel answers within the call that asks; this only keeps a fault from blocking
_ERROR: Final = struct.Struct("=i")


def number(value: bytes) -> int:
    """Returns the number in an attribute; 0 for an attribute that is not there."""
    return int.from_bytes(value, sys.byteorder)


def ask(kind: int, body: bytes, *, flags: int = 0) -> list[bytes]:
    """Asks the kernel and returns the bodies of its answer, of all entries with NLM_F_DUMP; raises OSError with its reason."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(ANSWER_S)
        netlink.send(message(kind, NLM_F_REQUEST | flags, body))
        bodies: list[bytes] = []
        while True:
            for answer, _, its_body in messages(netlink.recv(READ_BYTES)):
                if answer == NLMSG_ERROR:
                    code = -_ERROR.unpack_from(its_body)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                if answer in (NLMSG_ERROR, NLMSG_DONE):
                    return bodies
                bodies.append(its_body)
            if bodies and not flags & NLM_F_DUMP:
                return bodies


def change(kind: int, body: bytes, *, flags: int = 0) -> None:
    """Has the kernel change something; raises OSError with its reason."""
    ask(kind, body, flags=NLM_F_ACK | flags)


def is_absent(error: OSError) -> bool:
    """Tells whether the kernel's reason is that there is no such interface or route."""
    return error.errno in (errno.ENODEV, errno.ENXIO, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ESRCH)
