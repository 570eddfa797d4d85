"""Long cables: one process that carries the UDP datagrams of many links, each with a delay, a rate and a queue of its own.

Where the kernel has no netem. Bursts stay together (GRO in, GSO out): so it costs a fraction of a core. None overtakes
another. It is told its lines on standard input, as JSON.
"""

import contextlib
import errno
import heapq
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple

from mycelium.transport.udp_socket import (
    IP_MTU_DISCOVER,
    PMTUDISC_PROBE,
    SO_RCVBUFFORCE,
    SO_SNDBUFFORCE,
    SOL_UDP,
    UDP_GRO,
    UDP_SEGMENT,
)
from tests.lab.namespaces import LabHost

READY: Final = "ready"
BURST_BYTES: Final = 65_536
SOCKET_BYTES: Final = 8 << 20
BURSTS_PER_WAKE: Final = 16
REPOSITORY: Final = Path(__file__).parents[2]

_INT: Final = struct.Struct("=i")
_U16: Final = struct.Struct("=H")


class DelayLine(NamedTuple):
    """Datagrams to `port` of the host in a namespace reach its daemon `delay_s` later, answers likewise.

    Each way carries `megabits` a second; what comes faster waits up to `queue_s`, and is dropped beyond that.
    """

    namespace: str
    port: int
    daemon_port: int
    delay_s: float
    megabits: float
    queue_s: float


class _Way:
    """One direction of a line: what comes at `inlet` leaves by `outlet` to `to`, None where that is connected."""

    def __init__(self, inlet: socket.socket, outlet: socket.socket, line: DelayLine) -> None:
        self.inlet = inlet
        self.outlet = outlet
        self.to: Any = None
        self.answers: _Way | None = None  # go to whoever speaks here
        self._line = line
        self._s_per_byte = 8e-6 / line.megabits
        self._free_at = 0.0

    def admit(self, length: int, segment_bytes: int, now: float) -> tuple[int, float]:
        """Returns how many bytes of a burst the queue takes, whole datagrams, and when they arrive."""
        begin = max(self._free_at, now)
        room = int((now + self._line.queue_s - begin) / self._s_per_byte)
        if length > room:
            length = max(room, 0) // segment_bytes * segment_bytes
        self._free_at = begin + length * self._s_per_byte
        return length, self._free_at + self._line.delay_s

    def send(self, data: bytes, segment_bytes: int) -> None:
        """Sends a burst; what the network does not take is lost."""
        control = [(SOL_UDP, UDP_SEGMENT, _U16.pack(segment_bytes))] if len(data) > segment_bytes else []
        with contextlib.suppress(OSError):
            self.outlet.sendmsg([data], control, 0, *([] if self.to is None else [self.to]))


class _Carrier:
    """Carries the datagrams of all lines."""

    def __init__(self, lines: Sequence[DelayLine]) -> None:
        self._late: list[tuple[float, int, _Way, bytes, int]] = []
        self._numbers = count()
        self._buffer = memoryview(bytearray(BURST_BYTES))
        self._poll = select.epoll()
        self._ways: dict[int, _Way] = {}
        for line in lines:
            self._add(line)

    def _add(self, line: DelayLine) -> None:
        with LabHost(line.namespace, line.namespace).entered():
            front, daemon = _udp_socket(), _udp_socket()
            front.bind(("0.0.0.0", line.port))
            daemon.connect(("127.0.0.1", line.daemon_port))
        there, back = _Way(front, daemon, line), _Way(daemon, front, line)
        there.answers = back
        for way in (there, back):
            self._ways[way.inlet.fileno()] = way
            self._poll.register(way.inlet, select.EPOLLIN)

    def run(self) -> None:
        """Works until the process ends."""
        while True:
            wait = max(0.0, self._late[0][0] - time.monotonic()) if self._late else None
            select.select([self._poll], [], [], wait)  # to the microsecond, where epoll alone counts milliseconds
            for descriptor, _ in self._poll.poll(0):
                self._drain(self._ways[descriptor])
            self._deliver()

    def _drain(self, way: _Way) -> None:
        for _ in range(BURSTS_PER_WAKE):
            try:
                length, ancillary, _, source = way.inlet.recvmsg_into((self._buffer,), socket.CMSG_SPACE(_INT.size))
            except OSError as error:  # refused: the daemon is not there
                if error.errno == errno.EAGAIN:
                    return
                continue
            if way.answers is not None:
                way.answers.to = source
            segment_bytes = _INT.unpack(ancillary[0][2])[0] if ancillary else max(length, 1)
            taken, due = way.admit(length, segment_bytes, time.monotonic())
            if taken:
                heapq.heappush(self._late, (due, next(self._numbers), way, bytes(self._buffer[:taken]), segment_bytes))

    def _deliver(self) -> None:
        now = time.monotonic()
        while self._late and self._late[0][0] <= now:
            _, _, way, data, segment_bytes = heapq.heappop(self._late)
            way.send(data, segment_bytes)


@contextlib.contextmanager
def delay_lines(lines: Sequence[DelayLine]) -> Iterator[int]:
    """Runs the process beside the caller, who is in the main thread; returns its number once the lines work."""
    command = ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", "bench.support.soak_delay"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(lines) + "\n")
            process.stdin.flush()
            assert process.stdout.readline().strip() == READY, "the delay lines did not start"
            yield process.pid
        finally:
            process.kill()


def cpu_seconds(pid: int) -> float:
    """Returns the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _udp_socket() -> socket.socket:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    udp.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)  # nothing is sent in fragments
    udp.setsockopt(SOL_UDP, UDP_GRO, 1)
    for option in (SO_RCVBUFFORCE, SO_SNDBUFFORCE):
        udp.setsockopt(socket.SOL_SOCKET, option, SOCKET_BYTES)
    return udp


def main() -> None:
    """Runs the lines that standard input tells of."""
    carrier = _Carrier([DelayLine(*fields) for fields in json.loads(sys.stdin.readline())])
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))  # a cable does not wait for a processor
    print(READY, flush=True)
    carrier.run()


if __name__ == "__main__":
    main()
