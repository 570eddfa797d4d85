"""Questions to the kernel by rtnetlink, and changes."""

import errno
import os
import socket
from typing import Final

from mycelium.packet.netlink import (
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    READ_BYTES,
    error_of,
    message,
    messages,
)

ANSWER_S: Final = 1.0  # the kernel answers within the call that asks; this only keeps a fault from blocking


def ask(kind: int, body: bytes, *, flags: int = 0) -> list[bytes]:
    """Asks the kernel and returns the bodies of its answer, of all entries with NLM_F_DUMP; raises OSError with its reason."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(ANSWER_S)
        netlink.send(message(kind, NLM_F_REQUEST | flags, body))
        bodies: list[bytes] = []
        while True:
            for answer, _, its_body in messages(netlink.recv(READ_BYTES)):
                if answer == NLMSG_ERROR:
                    code = error_of(its_body)
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
