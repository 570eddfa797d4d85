"""What a link feels while strangers open connections to one of its ends, and leave them half open or send junk.

    ./dev bench strangers --connections 10000

Each connection, or datagram over UDP, comes from another IPv6 /64, so that limits for each host do not help. All ends
share this machine's processors; as root.
"""

import argparse
import contextlib
import os
import random
import resource
import select
import socket
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from ssl import CERT_NONE
from statistics import median
from typing import Final, NamedTuple

from qh3.quic.configuration import QuicConfiguration
from qh3.quic.connection import QuicConnection

from bench.support.report import Row, print_table, progress, write_json_lines
from mycelium.transport.quic.engine import ALPN
from mycelium.transport.streams.tls import TlsLayer, client_context
from mycelium.wire.datagram import (
    HANDSHAKE_1,
    HANDSHAKE_1_BYTES,
    HANDSHAKE_1_HEAD,
    PROTOCOL_VERSION,
    SUITE_CHACHA20_POLY1305,
)
from tests.lab.daemon import PORT, LabDaemon
from tests.lab.laboratory import Lab
from tests.lab.mesh import DaemonMesh, line
from tests.lab.namespaces import LabHost
from tests.lab.ping import Pings

COLUMNS: Final = (
    "strangers", "connections", "per second", "RTT before, ms", "RTT meanwhile, ms", "pings lost", "processor, %", "memory, MiB"
)  # fmt: skip
SOURCES: Final = "fd99"  # of the strangers' addresses, /16
OPENING: Final = 256  # connections that a stranger opens at one time
DESCRIPTORS: Final = 512 + 64  # left for the rest of this process
PING_SECONDS: Final = 1.0  # at least
PATIENCE_SECONDS: Final = 5.0  # for one connection to come about


def hello() -> bytes:
    """Returns the first message of a TLS client."""
    return TlsLayer(client_context(), is_server=False, server_name="mesh.example").take_answers()


HTTP: Final = b"GET / HTTP/1.1\r\nHost: mesh.example\r\nX-Header: "
UPGRADE: Final = (
    b"GET / HTTP/1.1\r\nHost: mesh.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def initial() -> bytes:
    """Returns the first packet of a QUIC client, which never sends another one."""
    client = QuicConnection(
        configuration=QuicConfiguration(is_client=True, alpn_protocols=[ALPN], verify_mode=CERT_NONE)
    )
    client.connect(("::1", PORT), 0.0)
    return bytes(client.datagrams_to_send(0.0)[0][0])


def junk_handshake() -> bytes:
    """Returns a first message of a link's handshake that nobody has made."""
    return HANDSHAKE_1_HEAD.pack(HANDSHAKE_1, PROTOCOL_VERSION, SUITE_CHACHA20_POLY1305, 0, 1) + os.urandom(
        HANDSHAKE_1_BYTES - HANDSHAKE_1_HEAD.size
    )


class Kind(NamedTuple):
    """What a stranger says, over TCP unless over UDP, and whether its connection stays open after that."""

    make: Callable[[], bytes]
    stays: bool = False
    is_udp: bool = False
    times: int = 1  # as many as connections are asked for


KINDS: Final = {
    "silent": Kind(lambda: b"", stays=True),
    "half a datagram": Kind(lambda: b"\x04\xd0\x10", stays=True),
    "TLS, half open": Kind(hello, stays=True),
    "HTTP without end": Kind(lambda: HTTP, stays=True),
    "WebSocket, silent": Kind(lambda: UPGRADE, stays=True),
    "TLS, then gone": Kind(hello),
    "junk": Kind(lambda: os.urandom(1_000)),
    "QUIC, half open": Kind(initial, is_udp=True),
    "junk handshakes": Kind(junk_handshake, is_udp=True, times=10),
}


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=10_000, help="of each kind")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where to write JSON lines; standard output otherwise"
    )
    given = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, given.connections + DESCRIPTORS), hard))
    with Lab() as lab, tempfile.TemporaryDirectory() as directory:
        mesh = _linked_mesh(lab, Path(directory))
        rows = [_measure(mesh, kind, given.connections) for kind in given.kinds]
    print_table(rows, COLUMNS)
    write_json_lines(rows, given.json)


def _linked_mesh(lab: Lab, directory: Path) -> DaemonMesh:
    """Returns two nodes with a link, and the strangers' host `x` with a wire to the second."""
    mesh = DaemonMesh(lab, directory, [*line("a", "b"), ("x", "b")])
    strangers, cable = mesh.hosts["x"], mesh.cable("x", "b")
    strangers.sysctl("net.ipv6.ip_nonlocal_bind", 1)
    strangers.ip(f"route add local {SOURCES}::/16 dev lo")
    mesh.hosts["b"].ip(f"route add {SOURCES}::/16 via {cable.end(strangers).ipv6}")
    mesh.start("ab")
    mesh.wait_converged()
    return mesh


def _measure(mesh: DaemonMesh, kind: str, count: int) -> Row:
    one, target = mesh["a"], mesh["b"]
    before = _round_trip_ms(one, target, lambda: None)[0]
    memory, processor = target.rss_bytes(), target.cpu_seconds()
    begin = time.monotonic()
    chosen = KINDS[kind]
    count *= chosen.times
    there = mesh.cable("x", "b").end(mesh.hosts["b"]).ipv6
    opened: list[socket.socket] = []

    def work() -> None:
        if chosen.is_udp:
            _send_all(mesh.hosts["x"], (there, PORT), chosen.make, count)
        else:
            _open_all(mesh.hosts["x"], (there, PORT), chosen.make, count, opened, stays=chosen.stays)

    meanwhile, lost = _round_trip_ms(one, target, work)
    spent = time.monotonic() - begin
    grown = target.rss_bytes() - memory
    for stranger in opened:
        stranger.close()
    progress(f"{kind}: {count / spent:.0f} connections a second, {before:.2f} to {meanwhile:.2f} ms")
    taken = round(100 * (target.cpu_seconds() - processor) / spent)
    trips = round(before, 3), round(meanwhile, 3)
    figures = count, round(count / spent), *trips, lost, taken, round(grown / (1 << 20), 1)
    return dict(zip(COLUMNS, (kind, *figures), strict=True))


def _round_trip_ms(one: LabDaemon, target: LabDaemon, work: Callable[[], None]) -> tuple[float, int]:
    """Returns the median round trip between two nodes while something is done, and how many pings were lost."""
    pings = Pings(one.host, target.address, interval=0.02)
    work()
    time.sleep(PING_SECONDS)
    result = pings.finish()
    return median(result.round_trips_ms), result.sent - result.received


def _send_all(host: LabHost, there: tuple[str, int], make: Callable[[], bytes], count: int) -> None:
    """Sends datagrams from a host, as fast as it can make them."""
    with host.entered():
        for source in islice(_sources(), count):
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as stranger:
                stranger.bind((source, 0))
                stranger.sendto(make(), there)


def _open_all(
    host: LabHost,
    there: tuple[str, int],
    make: Callable[[], bytes],
    count: int,
    opened: list[socket.socket],
    *,
    stays: bool,
) -> None:
    """Opens connections from a host, some at a time, says something on each, and keeps them or closes them."""
    sources = _sources()
    opening: deque[tuple[socket.socket, float]] = deque()
    with host.entered():
        for _ in range(count):
            stranger = socket.socket(socket.AF_INET6, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            stranger.bind((next(sources), 0))
            with contextlib.suppress(BlockingIOError):
                stranger.connect(there)
            opening.append((stranger, time.monotonic()))
            if len(opening) >= OPENING:
                _finish(*opening.popleft(), make(), opened, stays=stays)
        while opening:
            _finish(*opening.popleft(), make(), opened, stays=stays)


def _finish(stranger: socket.socket, since: float, said: bytes, opened: list[socket.socket], *, stays: bool) -> None:
    waiting = select.poll()
    waiting.register(stranger, select.POLLOUT)
    waiting.poll(max(0.0, since + PATIENCE_SECONDS - time.monotonic()) * 1e3)
    with contextlib.suppress(OSError):
        stranger.send(said)
    if stays:
        opened.append(stranger)
    else:
        stranger.close()


def _sources() -> Iterator[str]:
    """Yields addresses, each of another /64."""
    rng = random.Random(1)
    while True:
        yield f"{SOURCES}:{rng.randrange(1, 1 << 16):x}:{rng.randrange(1 << 16):x}:{rng.randrange(1 << 16):x}::1"


if __name__ == "__main__":
    main()
