"""Cables that are long: what goes in at one end comes out at the other so much later, in order, and nothing is lost.

Both ends are TAP devices. One process carries the frames of all cables, given the descriptors of their ends:

    python -m tests.lab.long_cable 5:6:0.018 7:8:0.030
"""

import fcntl
import heapq
import os
import select
import struct
import sys
import time
from pathlib import Path
from typing import Final

from tests.lab.namespaces import CableEnd, LabHost, LayCable

REPOSITORY: Final = Path(__file__).parents[2]
TUNSETIFF: Final = 0x400454CA  # linux/if_tun.h
IFF_TAP: Final = 0x0002
IFF_NO_PI: Final = 0x1000
FRAME_BYTES: Final = 65_536


class LongCables:
    """The long cables of one laboratory: first all are laid, then they carry."""

    def __init__(self) -> None:
        self._cables: list[tuple[int, int, float]] = []

    def of(self, delay_s: float) -> LayCable:
        """Returns what lays a cable that takes so long each way."""

        def lay(one: CableEnd, other: CableEnd) -> None:
            self._cables.append((_open_tap(one), _open_tap(other), delay_s))

        return lay

    def carry(self, host: LabHost) -> None:
        """Starts the process, which lives as long as a host does."""
        descriptors = [end for one, other, _ in self._cables for end in (one, other)]
        words = [f"{one}:{other}:{delay_s}" for one, other, delay_s in self._cables]
        host.start(sys.executable, "-m", "tests.lab.long_cable", *words, pass_fds=descriptors, cwd=REPOSITORY)
        for descriptor in descriptors:
            os.close(descriptor)


def _open_tap(end: CableEnd) -> int:
    with end.host.entered():
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", end.interface.encode(), IFF_TAP | IFF_NO_PI))
    return descriptor


def carry_frames(cables: list[tuple[int, int, float]]) -> None:
    """Carries until the process ends."""
    far = {near: (other, delay_s) for one, two, delay_s in cables for near, other in ((one, two), (two, one))}
    late: list[tuple[float, int, int, bytes]] = []  # when, how manieth, where to, what
    number = 0
    while True:
        wait = max(0.0, late[0][0] - time.monotonic()) if late else None
        for near in select.select(far, (), (), wait)[0]:
            end, delay_s = far[near]
            while frame := _read(near):
                number += 1
                heapq.heappush(late, (time.monotonic() + delay_s, number, end, frame))
        while late and late[0][0] <= time.monotonic():
            _, _, end, frame = heapq.heappop(late)
            _write(end, frame)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, FRAME_BYTES)
    except OSError:
        return b""  # no more, or the interface is down


def _write(descriptor: int, frame: bytes) -> None:
    try:
        os.write(descriptor, frame)
    except OSError:
        return  # nobody is there


def main() -> None:
    """Runs as a process."""
    ends = [word.split(":") for word in sys.argv[1:]]
    carry_frames([(int(one), int(other), float(delay_s)) for one, other, delay_s in ends])


if __name__ == "__main__":
    main()
