"""Listens for ICMP errors about our datagrams: a neighbour whose process has died is asked at once whether it lives.

UDP sockets tell of them only by failing other calls, in the middle of the data path; so raw sockets
are used, whose opening takes CAP_NET_RAW. Without it such a neighbour is missed a moment later.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.packet.icmp_error import ICMP_UNREACHABLE, ICMPV6_UNREACHABLE, refused_over_ipv4, refused_over_ipv6

log = logging.getLogger("mycelium")

# <linux/icmp.h>, <linux/icmpv6.h>
SOL_RAW: Final = 255
ICMP_FILTER: Final = 1
ICMPV6_FILTER: Final = 1
FILTER_V4: Final = struct.pack("=I", 0xFFFF_FFFF ^ 1 << ICMP_UNREACHABLE)  # set bits are kept away
FILTER_V6: Final = struct.pack("=8I", 0xFFFF_FFFF ^ 1 << ICMPV6_UNREACHABLE, *[0xFFFF_FFFF] * 7)
READ_BYTES: Final = 256  # enough for the headers of the quoted packet
READS_PER_WAKE: Final = 32
PAUSE_S: Final = 0.03  # between wakes, each a look at all links: errors come as fast as anybody likes to forge them


def open_icmp() -> list[socket.socket]:
    """Returns the raw sockets of an `IcmpWatch`; none where they are not permitted."""
    opened: list[socket.socket] = []
    try:
        opened.append(_open(socket.AF_INET, socket.IPPROTO_ICMP, SOL_RAW, ICMP_FILTER, FILTER_V4))
        opened.append(_open(socket.AF_INET6, socket.IPPROTO_ICMPV6, socket.IPPROTO_ICMPV6, ICMPV6_FILTER, FILTER_V6))
    except OSError as error:  # not permitted, or a host without IPv6
        log.debug("no ICMP errors are seen: %s", error)
    return opened


def _open(family: int, protocol: int, level: int, option: int, wanted: bytes) -> socket.socket:
    icmp = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
    icmp.setsockopt(level, option, wanted)
    return icmp


class IcmpWatch:
    """Calls `on_unreachable` with endpoints that datagrams from one of `ports` are said not to have reached, and why."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        opened: list[socket.socket],
        ports: frozenset[int],
        on_unreachable: Callable[[dict[Endpoint, str]], None],
    ) -> None:
        self._loop = loop
        self._ports = ports
        self._on_unreachable = on_unreachable
        self._timers: dict[socket.socket, asyncio.TimerHandle] = {}
        self._sockets = opened
        for icmp in opened:
            self._listen(icmp)

    def close(self) -> None:
        """Stops listening."""
        for timer in self._timers.values():
            timer.cancel()
        for icmp in self._sockets:
            self._loop.remove_reader(icmp.fileno())
            icmp.close()

    def _listen(self, icmp: socket.socket) -> None:
        self._loop.add_reader(icmp.fileno(), self._on_readable, icmp)

    def _on_readable(self, icmp: socket.socket) -> None:
        self._loop.remove_reader(icmp.fileno())
        self._timers[icmp] = self._loop.call_later(PAUSE_S, self._listen, icmp)
        told: dict[Endpoint, str] = {}
        for _ in range(READS_PER_WAKE):
            try:
                data, address = icmp.recvfrom(READ_BYTES)
            except OSError:
                break
            refused = refused_over_ipv4(data) if icmp.family == socket.AF_INET else refused_over_ipv6(data)
            if refused is not None and refused.source_port in self._ports:
                scope = address[3] if len(address) == 4 else 0
                told[Endpoint("udp", refused.host, refused.port, scope)] = refused.cause
        if told:
            self._on_unreachable(told)
