"""TCP and UDP between hosts, every byte checked, and iperf3.

The sockets are made inside the namespaces and then used from here: no helper process is needed.
"""

import contextlib
import errno
import hashlib
import itertools
import json
import math
import random
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from tests.lab.namespaces import LabHost
from tests.lab.waiting import PATIENCE_S, wait_until

BLOCK_BYTES: Final = 1 << 18
STREAM_PATIENCE_SECONDS: Final = 60.0
FLOWING_BYTES: Final = 20_000_000  # more than the kernels and daemons on the way hold
PING_AGAIN_SECONDS: Final = 0.5
NO_WAY: Final = (errno.ENETUNREACH, errno.EHOSTUNREACH)
ICMPV6_ECHO_REQUEST: Final = 128
ICMPV6_ECHO_REPLY: Final = 129
ECHO_REQUEST: Final = struct.Struct("!BBHHH")  # type, code, checksum (the kernel's), identifier, sequence

_ports = itertools.count(20_000)


@contextlib.contextmanager
def _connection(
    client: LabHost, server: LabHost, address: str, *, patience: float
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Connects two hosts, once there is a way; an end that stands still for `patience` seconds raises TimeoutError."""
    with client.entered():
        one = socket.socket(socket.AF_INET6)
    with server.entered():
        listener = socket.create_server((address, next(_ports)), family=socket.AF_INET6)
    with one, listener:
        for end in (one, listener):
            end.settimeout(patience)
        wait_until(lambda: _is_connected(one, listener.getsockname()), patience, f"there is a way to {address}")
        two, _ = listener.accept()
        with two:
            two.settimeout(patience)
            yield one, two


def _is_connected(end: socket.socket, address: Any) -> bool:
    """Connects an end; returns False while there is no route, as where a daemon that has no turn is taken for lost."""
    try:
        end.connect(address)
    except OSError as error:
        if error.errno not in NO_WAY:
            raise
        return False
    return True


def exchange_tcp(client: LabHost, server: LabHost, address: str, size: int, *, seconds: float) -> float:
    """Sends `size` bytes each way at once over one connection, checks them, and returns how many seconds it took."""
    begin = time.monotonic()
    with _connection(client, server, address, patience=seconds) as (one, two):
        _exchange(one, two, size)
        return time.monotonic() - begin


class Stream:
    """TCP from client to server that flows while this is entered; at the end every byte is checked."""

    def __init__(self, client: LabHost, server: LabHost, address: str) -> None:
        self.bytes_per_second = 0.0  # up to the last byte, once it is over
        self._held = contextlib.ExitStack()
        self._ends = (client, server, address)
        self._is_over = threading.Event()
        self._received = 0

    def __enter__(self) -> "Stream":
        self._begin = time.monotonic()
        one, two = self._held.enter_context(_connection(*self._ends, patience=STREAM_PATIENCE_SECONDS))
        pool = self._held.enter_context(ThreadPoolExecutor(2))
        self._receiving = pool.submit(_receive, two, self._count)
        self._sending = pool.submit(
            _send_blocks, one, 3, itertools.takewhile(self._goes_on, itertools.repeat(BLOCK_BYTES))
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._is_over.set()
        with self._held:
            if kind is None:
                (sent, size), (received, length) = self._sending.result(), self._receiving.result()
                assert (received, length) == (sent, size), f"{length} of {size} bytes came, or changed on the way"
                self.bytes_per_second = size / (time.monotonic() - self._begin)

    def wait_flowing(self, seconds: float = 30.0) -> None:
        """Waits until more has come than buffers may hold."""
        least = self._received + FLOWING_BYTES
        wait_until(lambda: self._received > least, seconds, lambda: f"{least - self._received} bytes more come")

    def _count(self, length: int) -> None:
        self._received += length

    def _goes_on(self, _: int) -> bool:
        return not self._is_over.is_set()


def stream_tcp(client: LabHost, server: LabHost, address: str, *, seconds: float) -> float:
    """Sends over one connection for some seconds, checks that every byte came, and returns the bytes per second."""
    with Stream(client, server, address) as stream:
        time.sleep(seconds)  # the measurement itself
    return stream.bytes_per_second


def _exchange(one: socket.socket, two: socket.socket, size: int) -> None:
    sizes = [min(BLOCK_BYTES, size - start) for start in range(0, size, BLOCK_BYTES)]
    with ThreadPoolExecutor(4) as pool:
        there, back = pool.submit(_send_blocks, one, 1, sizes), pool.submit(_send_blocks, two, 2, sizes)
        there_came, back_came = pool.submit(_receive, two), pool.submit(_receive, one)
    assert there.result() == there_came.result(), "bytes were lost or changed on the way there"
    assert back.result() == back_came.result(), "bytes were lost or changed on the way back"
    assert there.result() != back.result()


def _send_blocks(end: socket.socket, seed: int, sizes: Iterable[int]) -> tuple[str, int]:
    """Sends random blocks and the end; returns the digest of what was sent, and how much it was."""
    digest, length = hashlib.blake2b(), 0
    block = bytearray(random.Random(seed).randbytes(BLOCK_BYTES))
    for size in sizes:
        block[:8] = length.to_bytes(8, "big")  # no two blocks are alike
        piece = memoryview(block)[:size]
        digest.update(piece)
        end.sendall(piece)
        length += size
    end.shutdown(socket.SHUT_WR)
    return digest.hexdigest(), length


def _receive(end: socket.socket, note: Callable[[int], None] = lambda length: None) -> tuple[str, int]:
    """Returns the digest of all that comes, and how much it was; tells `note` how much came each time."""
    digest, length = hashlib.blake2b(), 0
    while piece := end.recv(BLOCK_BYTES):
        digest.update(piece)
        length += len(piece)
        note(len(piece))
    return digest.hexdigest(), length


def echo_udp(client: LabHost, server: LabHost, address: str, *, size: int, times: int, seconds: float = 10.0) -> int:
    """Sends datagrams one after the other to be echoed, and returns how many came back unchanged within `seconds` each."""
    with client.entered():
        one = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with server.entered():
        two = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with one, two:
        two.bind((address, next(_ports)))
        one.settimeout(seconds / 2)
        two.settimeout(seconds / 2)
        return sum(_is_echoed(one, two, random.Random(seed).randbytes(size)) for seed in range(times))


def _is_echoed(one: socket.socket, two: socket.socket, data: bytes) -> bool:
    with contextlib.suppress(TimeoutError):
        one.sendto(data, two.getsockname())
        source = _receive_datagram(two, data)
        two.sendto(data, source)
        _receive_datagram(one, data)
        return True
    return False


def _receive_datagram(end: socket.socket, data: bytes) -> Any:
    """Waits for one datagram past late ones, and returns where it came from."""
    while True:
        heard, source = end.recvfrom(65_536)
        if heard == data:
            return source


def answering(
    host: LabHost, addresses: Iterable[str], *, seconds: float, again_s: float = PING_AGAIN_SECONDS
) -> set[str]:
    """Pings addresses every `again_s` until all have answered, for `seconds` at most, and returns those that did."""
    with host.entered():
        icmp = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    missing = set(addresses)
    answered: set[str] = set()
    deadline = time.monotonic() + seconds
    with icmp:
        while missing and time.monotonic() < deadline:
            for address in sorted(missing):
                with contextlib.suppress(OSError):  # no route yet
                    icmp.sendto(ECHO_REQUEST.pack(ICMPV6_ECHO_REQUEST, 0, 0, 77, 1), (address, 0))
            heard = _hear_replies(icmp, missing, again_s)
            missing -= heard
            answered |= heard
    return answered


def _hear_replies(icmp: socket.socket, awaited: set[str], seconds: float) -> set[str]:
    """Returns who of those awaited has answered within this time, or sooner when all have."""
    heard: set[str] = set()
    deadline = time.monotonic() + seconds
    while heard != awaited and (left := deadline - time.monotonic()) > 0:
        icmp.settimeout(left)
        with contextlib.suppress(TimeoutError):
            reply, source = icmp.recvfrom(2_000)
            if reply[0] == ICMPV6_ECHO_REPLY and source[0] in awaited:
                heard.add(source[0])
    return heard


def iperf(client: LabHost, server: LabHost, address: str, *options: str, seconds: float) -> dict[str, Any]:
    """Runs iperf3 from client to server for some seconds, whole ones, rounded up, and returns its JSON."""
    port = str(next(_ports))
    serving = server.start(
        "iperf3", "-s", "-1", "-p", port, "--forceflush", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: server.listens(int(port)), PATIENCE_S, "iperf3 listens")
        command = ("iperf3", "-c", address, "-p", port, "-t", str(math.ceil(seconds)), "-J", *options)
        done = client.run(*command, timeout=seconds + 30, check=False)
        report = json.loads(done.stdout)
        assert "error" not in report, f"iperf3: {report['error']}"
        return dict(report)
    finally:
        serving.kill()
        serving.wait()
