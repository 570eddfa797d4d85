"""A stretch of bad network in user space: takes UDP datagrams at one address and carries them to another, late or never.

Delay, jitter, loss and reordering, each way alike. As a process in a namespace:

    python -m tests.lab.udp_proxy 0.0.0.0 7000 127.0.0.1 9651 --delay-ms 20 --loss 0.01
"""

import argparse
import heapq
import random
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.lab.namespaces import LabHost

DATAGRAM_BYTES: Final = 65_536
BUFFER_BYTES: Final = 4 << 20
CLIENTS: Final = 1_000
READY: Final = "ready"
REPOSITORY: Final = Path(__file__).parents[2]


class Weather:
    """Decides for each datagram how late it comes, in seconds, or that it never does."""

    def __init__(self, *, delay: float, jitter: float, loss: float, reorder: float, seed: int) -> None:
        self._delay = delay
        self._jitter = jitter
        self._loss = loss
        self._reorder = reorder
        self._random = random.Random(seed)

    def lateness(self) -> float | None:
        """Returns the delay of the next datagram; None loses it. A reordered one overtakes: it is not delayed."""
        if self._random.random() < self._loss:
            return None
        if self._random.random() < self._reorder:
            return 0.0
        return max(0.0, self._delay + self._random.uniform(-self._jitter, self._jitter))


class Proxy:
    """Carries datagrams between clients and one server; each client gets a socket of its own towards the server."""

    def __init__(self, listen: tuple[str, int], target: tuple[str, int], weather: Weather) -> None:
        self._target = target
        self._weather = weather
        self._front = _udp_socket(listen[0])
        self._front.bind(listen)
        self._clients: dict[Any, socket.socket] = {}
        self._sources: dict[socket.socket, Any] = {}
        self._late: list[tuple[float, int, Callable[[], object]]] = []
        self._number = 0
        self._poll = select.epoll()
        self._by_descriptor = {self._front.fileno(): self._front}
        self._poll.register(self._front, select.EPOLLIN)

    def run(self) -> None:
        """Works until the process ends."""
        while True:
            wait = max(0.0, self._late[0][0] - time.monotonic()) if self._late else -1
            for descriptor, _ in self._poll.poll(wait):
                self._drain(self._by_descriptor[descriptor])
            self._deliver(time.monotonic())

    def _drain(self, arrived: socket.socket) -> None:
        for _ in range(256):
            try:
                data, source = arrived.recvfrom(DATAGRAM_BYTES)
            except OSError:
                return
            if arrived is self._front:
                client = self._client(source)
                self._schedule(partial(client.sendto, data, self._target))
            else:
                self._schedule(partial(self._front.sendto, data, self._sources[arrived]))

    def _client(self, source: Any) -> socket.socket:
        client = self._clients.get(source)
        if client is None:
            if len(self._clients) >= CLIENTS:
                raise RuntimeError("too many clients")
            client = self._clients[source] = _udp_socket(self._target[0])
            self._sources[client] = source
            self._by_descriptor[client.fileno()] = client
            self._poll.register(client, select.EPOLLIN)
        return client

    def _schedule(self, send: Callable[[], object]) -> None:
        lateness = self._weather.lateness()
        if lateness is not None:
            self._number += 1
            heapq.heappush(self._late, (time.monotonic() + lateness, self._number, send))

    def _deliver(self, now: float) -> None:
        while self._late and self._late[0][0] <= now:
            send = heapq.heappop(self._late)[2]
            try:
                send()
            except OSError:
                continue  # a full or unreachable network loses datagrams


def start_proxy(host: LabHost, port: int, target: tuple[str, int], **weather: float) -> "subprocess.Popen[str]":
    """Starts a proxy at every IPv4 address of a host and waits until it listens; keywords as the options of `main`."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in weather.items()]
    command = (sys.executable, "-m", "tests.lab.udp_proxy", "0.0.0.0", str(port), target[0], str(target[1]))
    process = host.start(*command, *options, stdout=subprocess.PIPE, cwd=REPOSITORY)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == READY
    return process


def _udp_socket(host: str) -> socket.socket:
    udp = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    udp.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        udp.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
    return udp


def main() -> None:
    """Runs a proxy as a process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("target_host")
    parser.add_argument("target_port", type=int)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--jitter-ms", type=float, default=0.0)
    parser.add_argument("--loss", type=float, default=0.0, help="share of datagrams, 0 to 1")
    parser.add_argument("--reorder", type=float, default=0.0, help="share of datagrams, 0 to 1")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    weather = Weather(
        delay=given.delay_ms / 1_000,
        jitter=given.jitter_ms / 1_000,
        loss=given.loss,
        reorder=given.reorder,
        seed=given.seed,
    )
    proxy = Proxy((given.host, given.port), (given.target_host, given.target_port), weather)
    print(READY, flush=True)
    proxy.run()


if __name__ == "__main__":
    main()
