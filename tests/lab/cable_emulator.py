"""Cables with a delay, a jitter, a rate and a queue, for kernels without netem.

Both ends of such a cable are TAP devices. One process per laboratory carries the frames of all its cables; it takes the
descriptors of their ends from a socket:

    python -m tests.lab.cable_emulator SOCKET

Super-packets cross whole, behind their virtio header, so that a cable costs little of a processor.
"""

import contextlib
import errno
import fcntl
import heapq
import json
import os
import random
import select
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

REPOSITORY: Final = Path(__file__).parents[2]
ACCEPTED: Final = b"accepted"
FRAME_BYTES: Final = 1 << 17
FRAMES_PER_WAKE: Final = 64
MESSAGE_BYTES: Final = 1_000
START_SECONDS: Final = 30.0

TUNSETIFF: Final = 0x400454CA  # linux/if_tun.h
TUNSETOFFLOAD: Final = 0x400454D0
IFF_TAP: Final = 0x0002
IFF_NO_PI: Final = 0x1000
IFF_VNET_HDR: Final = 0x4000
VNET_HEADER_BYTES: Final = 10
SEGMENTATION: Final = 0x01 | 0x02 | 0x04 | 0x08  # TUN_F_CSUM, _TSO4, _TSO6, _TSO_ECN
UDP_SEGMENTATION: Final = 0x20 | 0x40  # TUN_F_USO4, _USO6: since Linux 6.2


class CableTraits(NamedTuple):
    """What a cable does to frames, each way alike.

    A frame arrives `delay_s` later, plus or minus up to `jitter_s`, which reorders. A cable with a rate of `megabits` a
    second lets frames wait for up to `queue_s` and drops what comes when the queue is full.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    megabits: float = 0.0  # 0: no limit
    queue_s: float = 0.05


def delays(*seconds: float) -> list[CableTraits]:
    """Returns the traits of cables that have a delay and nothing else."""
    return [CableTraits(delay_s=delay_s) for delay_s in seconds]


class Direction:
    """One direction of a cable: says when frames arrive."""

    def __init__(self, traits: CableTraits, rng: random.Random) -> None:
        self._traits = traits
        self._random = rng
        self._s_per_byte = 8e-6 / traits.megabits if traits.megabits else 0.0
        self._free_at = 0.0  # when all admitted frames have left

    def arrival(self, length: int, *, now: float) -> float | None:
        """Returns when a frame of so many bytes that enters now arrives; None where the queue is full."""
        traits = self._traits
        begin = max(self._free_at, now)
        if begin > now + traits.queue_s:
            return None
        self._free_at = begin + length * self._s_per_byte
        jitter_s = self._random.uniform(-traits.jitter_s, traits.jitter_s) if traits.jitter_s else 0.0
        return self._free_at + max(0.0, traits.delay_s + jitter_s)


class CableEmulator:
    """Runs the process that carries the frames."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(START_SECONDS)
        inside = ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", "tests.lab.cable_emulator"]
        with theirs:
            descriptor = theirs.fileno()
            self._process = subprocess.Popen([*inside, str(descriptor)], pass_fds=[descriptor], cwd=REPOSITORY)

    @property
    def pid(self) -> int:
        """The process ID."""
        return self._process.pid

    def carry(self, one: int, other: int, traits: CableTraits) -> None:
        """Carries frames between two TAP devices from now on; takes over their descriptors."""
        socket.send_fds(self._control, [json.dumps(traits).encode()], [one, other])
        assert self._control.recv(MESSAGE_BYTES) == ACCEPTED, "the cable emulator has ended"
        os.close(one)
        os.close(other)

    def close(self) -> None:
        """Ends the process, and with it the devices."""
        self._control.close()
        self._process.kill()
        self._process.wait()


def open_tap(interface: str) -> int:
    """Makes a TAP device in this thread's namespace and returns its descriptor."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", interface.encode(), flags))
    try:
        fcntl.ioctl(descriptor, TUNSETOFFLOAD, SEGMENTATION | UDP_SEGMENTATION)
    except OSError:
        fcntl.ioctl(descriptor, TUNSETOFFLOAD, SEGMENTATION)
    return descriptor


class _Carrier:
    """Carries the frames of all cables."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._random = random.Random(1)
        self._far: dict[int, tuple[int, Direction]] = {}  # descriptor -> that of the other end
        self._late: list[tuple[float, int, int, bytes]] = []  # due, number, descriptor, frame
        self._number = 0
        self._poll = select.epoll()
        self._poll.register(control, select.EPOLLIN)

    def run(self) -> None:
        """Carries until the process ends."""
        while True:
            wait = max(0.0, self._late[0][0] - time.monotonic()) if self._late else None
            select.select([self._poll], (), (), wait)  # waits to the microsecond; epoll alone counts milliseconds
            for descriptor, _ in self._poll.poll(0):
                if descriptor == self._control.fileno():
                    self._add()
                else:
                    self._drain(descriptor)
            self._deliver(time.monotonic())

    def _add(self) -> None:
        message, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 2)
        if not message:
            sys.exit()
        one, other = descriptors
        traits = CableTraits(*json.loads(message))
        for near, far in ((one, other), (other, one)):
            self._far[near] = far, Direction(traits, self._random)
            self._poll.register(near, select.EPOLLIN)
        self._control.send(ACCEPTED)

    def _drain(self, near: int) -> None:
        far, direction = self._far[near]
        for _ in range(FRAMES_PER_WAKE):
            try:
                frame = os.read(near, FRAME_BYTES)
            except OSError as error:  # nothing left, or the interface is down
                if error.errno == errno.EBADFD:  # the interface is gone
                    self._poll.unregister(near)
                return
            due = direction.arrival(len(frame) - VNET_HEADER_BYTES, now=time.monotonic())
            if due is not None:
                self._number += 1
                heapq.heappush(self._late, (due, self._number, far, frame))

    def _deliver(self, now: float) -> None:
        while self._late and self._late[0][0] <= now:
            _, _, descriptor, frame = heapq.heappop(self._late)
            with contextlib.suppress(OSError):  # the interface is down
                os.write(descriptor, frame)


def main() -> None:
    """Runs as a process."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(
            0, os.SCHED_FIFO, os.sched_param(1)
        )  # the delay must not depend on the load of the machine
    _Carrier(socket.socket(fileno=int(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
