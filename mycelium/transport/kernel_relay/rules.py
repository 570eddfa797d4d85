"""The kernel's rules for the ports that are leased: one table of nftables that belongs to one netlink socket.

The kernel removes the table when the socket closes, however this process ends. Rules stand at the ingress of devices, rewrite
both addresses and hand the datagram to the device that it leaves by. So nothing depends on IP forwarding, which stays as it
is, and nothing else than what the rules name is ever passed on.
"""

import contextlib
import errno
import os
import socket
from collections.abc import Iterable
from typing import Final

from mycelium.errors import DeviceError
from mycelium.packet import nftables
from mycelium.packet.netlink import NLMSG_DONE, NLMSG_ERROR, READ_BYTES, error_of, messages
from mycelium.packet.nftables import Way

NETLINK_NETFILTER: Final = 12
_MISSING: Final = (errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.ENOENT, errno.EAFNOSUPPORT, errno.EINVAL)


class KernelRules:
    """The table, which exists from the making of this object to `close`. Every call raises DeviceError, in words for people."""

    def __init__(self) -> None:
        self._ingresses: set[int] = set()
        try:
            self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
        except OSError as error:
            raise DeviceError(_reason(error.errno or 0)) from error
        self._netlink.setblocking(False)
        self._netlink.bind((0, 0))
        self._table = f"mycelium_{self._netlink.getsockname()[0]}"
        try:
            self._commit(nftables.new_table(self._table))
        except DeviceError:
            self._netlink.close()
            raise

    def lease(self, port: int) -> None:
        """Makes room for the rules of a port."""
        self._commit(nftables.new_lease(self._table, port))

    def set_ways(self, port: int, ways: Iterable[Way], arrivals: Iterable[int]) -> None:
        """Replaces the rules of a port. `arrivals` are the indices of the interfaces on which its datagrams arrive."""
        for interface in arrivals:
            if interface not in self._ingresses:
                self._commit(nftables.new_ingress(self._table, f"device_{interface}", _name(interface)))
                self._ingresses.add(interface)
        self._commit(nftables.set_ways(self._table, port, ways))

    def end(self, port: int) -> None:
        """Removes the rules of a port."""
        self._commit(nftables.end_lease(self._table, port))

    def passed(self, port: int) -> tuple[int, int]:
        """Returns the packets and bytes that the rules of a port have passed on since they were set."""
        counts = [nftables.counted(rule) for rule in self._exchange(nftables.question_for_rules(self._table, port))]
        return sum(packets for packets, _ in counts), sum(size for _, size in counts)

    def close(self) -> None:
        """Removes all rules."""
        self._netlink.close()

    def _commit(self, changes: list[bytes]) -> None:
        self._exchange(nftables.batch(changes))

    def _exchange(self, data: bytes) -> list[bytes]:
        """Sends messages and returns the bodies of the answers; raises DeviceError with the kernel's first reason."""
        bodies: list[bytes] = []
        code = 0
        try:
            self._netlink.send(data)
            with contextlib.suppress(BlockingIOError):  # the kernel has answered within the call that asked
                while True:
                    for kind, _, body in messages(self._netlink.recv(READ_BYTES)):
                        if kind == NLMSG_ERROR:
                            code = code or error_of(body)
                        elif kind != NLMSG_DONE:
                            bodies.append(body)
        except OSError as error:
            raise DeviceError(_reason(error.errno or 0)) from error
        if code:
            raise DeviceError(_reason(code))
        return bodies


def _name(interface: int) -> str:
    try:
        return socket.if_indextoname(interface)
    except OSError as error:
        raise DeviceError(f"interface {interface} is gone") from error


def _reason(code: int) -> str:
    if code in (errno.EPERM, errno.EACCES):
        return "CAP_NET_ADMIN is required"
    if code in _MISSING:
        return "this kernel can't: it takes Linux 5.12 with nf_tables and nft_fwd_netdev"
    return f"nftables: {os.strerror(code)}"
