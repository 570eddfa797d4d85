"""What a link feels while strangers open connections to one of its ends, and leave them half open or send junk.

    ./dev bench strangers --connections 10000

Each connection, or datagram over UDP, comes from another IPv6 /64, so that limits for each host do not help. Datagrams are sent
at a rate, for some seconds. All ends share this machine's processors; as root.
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
from collections.abc import Callable
from functools import partial
from pathlib import Path
from ssl import CERT_NONE
from statistics import median
from typing import Final, NamedTuple

from qh3.quic.configuration import QuicConfiguration
from qh3.quic.connection import QuicConnection

from bench.support.report import Row, print_table, progress, write_json_lines
from mycelium.transport.quic.engine import ALPN
from mycelium.transport.quic.runs import INITIAL_BYTES
from mycelium.transport.quic.tokens import ID_BYTES
from mycelium.transport.streams.tls import TlsLayer, client_context
from mycelium.wire.datagram import (
    FRAME_HEAD,
    FRAME_WORD,
    HANDSHAKE_1,
    HANDSHAKE_1_BYTES,
    HANDSHAKE_1_HEAD,
    PROTOCOL_VERSION,
    SUITE_CHACHA20_POLY1305,
)
from tests.lab.daemon import PORT, LabDaemon
from tests.lab.flood import Flood, allow_sources, sources
from tests.lab.laboratory import Lab
from tests.lab.mesh import DaemonMesh, line
from tests.lab.namespaces import LabHost
from tests.lab.ping import Pings

COLUMNS: Final = (
    "strangers", "connections", "per second", "RTT before, ms", "RTT meanwhile, ms", "pings lost", "processor, %", "memory, MiB"
)  # fmt: skip
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


def junk_initial() -> bytes:
    """Returns what looks like the first packet of a QUIC client, for any other connection than the last one."""
    identifier = os.urandom(ID_BYTES)
    return b"\xc0\0\0\0\x01" + bytes([len(identifier)]) + identifier + os.urandom(INITIAL_BYTES)


def unknown_frame() -> bytes:
    """Returns a datagram of a link that nobody has."""
    return FRAME_HEAD.pack(FRAME_WORD, random.getrandbits(32), 1) + os.urandom(random.choice((64, 1_200)))


def garbage() -> bytes:
    """Returns bytes of any length, the first one whatever it may be."""
    return os.urandom(random.randrange(1, 1_400))


class Kind(NamedTuple):
    """What a stranger says, over TCP unless over UDP, and whether its connection stays open after that."""

    make: Callable[[], bytes]
    stays: bool = False
    is_udp: bool = False


KINDS: Final = {
    "silent": Kind(lambda: b"", stays=True),
    "half a datagram": Kind(lambda: b"\x04\xd0\x10", stays=True),
    "TLS, half open": Kind(hello, stays=True),
    "HTTP without end": Kind(lambda: HTTP, stays=True),
    "WebSocket, silent": Kind(lambda: UPGRADE, stays=True),
    "TLS, then gone": Kind(hello),
    "junk": Kind(lambda: os.urandom(1_000)),
    "QUIC, half open": Kind(initial, is_udp=True),
    "junk handshakes": Kind(junk_handshake, is_udp=True),
    "junk Initials": Kind(junk_initial, is_udp=True),
    "unknown indices": Kind(unknown_frame, is_udp=True),
    "garbage": Kind(garbage, is_udp=True),
}


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=10_000, help="of each kind over TCP")
    parser.add_argument(
        "--rates", type=int, nargs="+", default=[42_000, 420_000], help="datagrams a second, for each kind over UDP"
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of each kind over UDP, at each rate")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where to write JSON lines; standard output otherwise"
    )
    given = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, given.connections + DESCRIPTORS), hard))
    with Lab() as lab, tempfile.TemporaryDirectory() as directory:
        mesh = _linked_mesh(lab, Path(directory))
        rows = [row for kind in given.kinds for row in _measure_kind(mesh, kind, given)]
    print_table(rows, COLUMNS)
    write_json_lines(rows, given.json)


def _linked_mesh(lab: Lab, directory: Path) -> DaemonMesh:
    """Returns two nodes with a link, and the strangers' host `x` with a wire to the second."""
    mesh = DaemonMesh(lab, directory, [*line("a", "b"), ("x", "b")])
    strangers, cable = mesh.hosts["x"], mesh.cable("x", "b")
    allow_sources(strangers, mesh.hosts["b"], cable.end(strangers).ipv6)
    mesh.start("ab")
    mesh.wait_converged()
    return mesh


def _measure_kind(mesh: DaemonMesh, kind: str, given: argparse.Namespace) -> list[Row]:
    chosen, host = KINDS[kind], mesh.hosts["x"]
    there = mesh.cable("x", "b").end(mesh.hosts["b"]).ipv6, PORT
    if chosen.is_udp:
        flood = Flood(there, chosen.make)
        send = partial(flood.send, host, seconds=given.seconds)
        return [_measure(mesh, kind, partial(send, per_second=rate)) for rate in given.rates]
    opened: list[socket.socket] = []
    row = _measure(mesh, kind, lambda: _open_all(host, there, chosen, given.connections, opened))
    for stranger in opened:
        stranger.close()
    return [row]


def _measure(mesh: DaemonMesh, kind: str, work: Callable[[], int]) -> Row:
    """Returns what a link feels during some work, which returns the number of connections or datagrams."""
    one, target = mesh["a"], mesh["b"]
    before = _round_trip_ms(one, target, lambda: None)[0]
    memory, processor = target.rss_bytes(), target.cpu_seconds()
    count, spent = 0, 0.0

    def timed() -> None:
        nonlocal count, spent
        begin = time.monotonic()
        count = work()
        spent = time.monotonic() - begin

    meanwhile, lost = _round_trip_ms(one, target, timed)
    grown = target.rss_bytes() - memory
    progress(f"{kind}: {count / spent:.0f} a second, {before:.2f} to {meanwhile:.2f} ms")
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


def _open_all(host: LabHost, there: tuple[str, int], chosen: Kind, count: int, opened: list[socket.socket]) -> int:
    """Opens connections from a host, some at a time, says something on each, and keeps them or closes them."""
    origins = sources()
    opening: deque[tuple[socket.socket, float]] = deque()
    with host.entered():
        for _ in range(count):
            stranger = socket.socket(socket.AF_INET6, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            stranger.bind((next(origins), 0))
            with contextlib.suppress(BlockingIOError):
                stranger.connect(there)
            opening.append((stranger, time.monotonic()))
            if len(opening) >= OPENING:
                _finish(*opening.popleft(), chosen, opened)
        while opening:
            _finish(*opening.popleft(), chosen, opened)
    return count


def _finish(stranger: socket.socket, since: float, chosen: Kind, opened: list[socket.socket]) -> None:
    waiting = select.poll()
    waiting.register(stranger, select.POLLOUT)
    waiting.poll(max(0.0, since + PATIENCE_SECONDS - time.monotonic()) * 1e3)
    with contextlib.suppress(OSError):
        stranger.send(chosen.make())
    if chosen.stays:
        opened.append(stranger)
    else:
        stranger.close()


if __name__ == "__main__":
    main()
