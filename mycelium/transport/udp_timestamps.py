"""Arrival times of datagrams: the kernel notes them per socket, but starts only a moment after the first request.

That moment belongs to a kernel work queue (net_enable_timestamp in net/core/dev.c), and a datagram that arrives before it
is reported as having arrived when it was asked about. Once any socket of the host is stamped, all that asked are.
"""

import contextlib
import socket
import struct
import time
from collections.abc import Callable
from fcntl import ioctl
from typing import Final

SIOCGSTAMPNS: Final = 0x8010_8907  # SIOCGSTAMPNS_NEW of <asm-generic/sockios.h>; the first request enables the stamps
TIMESPEC: Final = struct.Struct("=qq")
NO_TIMESPEC: Final = bytes(TIMESPEC.size)
START_SECONDS: Final = 0.1  # the longest that opening a socket waits for the kernel, which takes 0 to 6 ms
RETRY_SECONDS: Final = 0.000_5
LOOPBACK: Final = "127.0.0.1"


def start_timestamping(udp: socket.socket, *, clock: Callable[[], float] = time.monotonic) -> bool:
    """Enables arrival times for `udp` and waits until the kernel notes them; tells whether it does.

    False where the kernel is too old, the loopback interface is down, or `START_SECONDS` were not enough: arrival times
    then read as the present until the kernel is ready.
    """
    deadline = clock() + START_SECONDS
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            _enable(udp)
            _enable(probe)
            probe.settimeout(START_SECONDS)
            probe.bind((LOOPBACK, 0))
            while not _is_stamped(probe):
                if clock() >= deadline:
                    return False
                time.sleep(RETRY_SECONDS)
        except OSError:
            return False
    return True


def _enable(udp: socket.socket) -> None:
    with contextlib.suppress(FileNotFoundError):  # the answer while nothing has arrived yet
        ioctl(udp, SIOCGSTAMPNS, NO_TIMESPEC)


def _is_stamped(probe: socket.socket) -> bool:
    """Sends one datagram to the socket itself; tells whether its arrival time precedes its being taken."""
    probe.sendto(b"", probe.getsockname())
    probe.recv(1)
    taken = time.time_ns()
    seconds, nanoseconds = TIMESPEC.unpack(ioctl(probe, SIOCGSTAMPNS, NO_TIMESPEC))
    return int(seconds) * 1_000_000_000 + int(nanoseconds) < taken
