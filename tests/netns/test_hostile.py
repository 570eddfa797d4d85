"""100,000 datagrams of each hostile kind at a daemon's port: its link lives, its memory is flat, and each is counted."""

import random
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Final

import pytest

from mycelium.crypto.cookies import PERIOD_S, seal_message_1
from mycelium.crypto.primitives import RealPrimitives
from mycelium.wire.datagram import CHUNK, FRAME, HANDSHAKE_1, HANDSHAKE_1_HEAD, PROTOCOL_VERSION, SUITE_AES_256_GCM
from tests.lab.capture import Capture, Forger
from tests.lab.daemon import PORT, LabDaemon
from tests.lab.flood import Flood
from tests.lab.mesh import DaemonMesh, line
from tests.lab.ping import Pings, answers, ping
from tests.lab.traffic import exchange_tcp
from tests.lab.waiting import PATIENCE_S, wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import wait_answered

pytestmark = pytest.mark.netns

DATAGRAMS: Final = 100_000
BURST: Final = 1_000
QUEUED_BYTES: Final = 500_000  # waiting in the socket, when the next burst may go
ANSWERED: Final = 0.9  # of the pings
SHORT_TOGETHER: Final = DATAGRAMS // 1_000  # those shorter than any message that come together count as one
LONGEST: Final = 1_472
LONGEST_OVER_IPV6: Final = LONGEST - 20
FLOOD_PER_SECOND: Final = 50_000
FLOOD_SECONDS: Final = 2.0
FLOOD_PINGS: Final = 80
FLOOD_MS: Final = (
    30.0  # that a busy machine may add; datagrams that wait behind the flood are late by a hundred, or lost
)
GROWTH_BYTES: Final = 12 << 20
MAC_BYTES: Final = 8
KINDS_COUNTED: Final = (
    "datagrams_",
    "frames_",
    "chunks_",
    "handshakes_",
    "udp_strangers_crowded_out",
    "joins_",
    "quic_unknown_dropped",
    "quic_retried",
    "quic_versions_answered",
    "quic_moved_dropped",
)

Hostile = Iterator[bytes]


@pytest.fixture(scope="module")
def mesh(make_module_mesh: MakeMesh) -> DaemonMesh:
    """`a` and `b` are neighbours; the stranger `x` has a wire to `b`, and no daemon; `c` and `d` are elsewhere."""
    return make_module_mesh([*line("a", "b"), ("x", "b"), ("c", "d")])


@pytest.fixture(scope="module")
def captured(mesh: DaemonMesh) -> list[bytes]:
    """Everything that `a` said to `b` at the start of their link and under some traffic."""
    mesh.cable("a", "b").lose(0)  # the wire carries datagrams, not super-packets of them
    with Capture(mesh["b"].host, "eth0", PORT) as capture:
        mesh.start("ab")
        mesh.wait_converged()
        ping(mesh["a"].host, mesh["b"].address, count=50, interval=0.01)
        exchange_tcp(mesh["a"].host, mesh["b"].host, mesh["b"].address, 20_000_000, seconds=60)
    datagrams = [datagram for datagram in capture.payloads if len(datagram) <= LONGEST]
    assert {FRAME, CHUNK, HANDSHAKE_1} <= {datagram[0] for datagram in datagrams}
    return datagrams


def random_bytes(captured: list[bytes], rng: random.Random) -> Hostile:
    while True:
        yield rng.randbytes(rng.randrange(LONGEST))


def random_bytes_of_known_types(captured: list[bytes], rng: random.Random) -> Hostile:
    while True:
        yield bytes((rng.randrange(0x10, 0x17),)) + rng.randbytes(rng.randrange(LONGEST))


def truncated(captured: list[bytes], rng: random.Random) -> Hostile:
    while True:
        datagram = rng.choice(captured)
        yield datagram[: rng.randrange(len(datagram))]


def flipped(captured: list[bytes], rng: random.Random) -> Hostile:
    while True:
        datagram = bytearray(rng.choice(captured))
        datagram[rng.randrange(len(datagram))] ^= 1 << rng.randrange(8)
        yield bytes(datagram)


def replayed(captured: list[bytes], rng: random.Random) -> Hostile:
    while True:
        yield rng.choice(captured)


def handshakes(captured: list[bytes], rng: random.Random) -> Hostile:
    """First messages as anybody can make them in a network without a key of its own, each with another `e`."""
    kem = RealPrimitives().kem_keypair(rng.randbytes(64))[1]
    while True:
        head = HANDSHAKE_1_HEAD.pack(HANDSHAKE_1, PROTOCOL_VERSION, SUITE_AES_256_GCM, 0, rng.getrandbits(32))
        yield seal_message_1(head + rng.randbytes(32) + kem, bytes(32), period=int(time.time() // PERIOD_S))


KINDS: Final = (random_bytes, random_bytes_of_known_types, truncated, flipped, replayed, handshakes)


@pytest.mark.parametrize("source", ["stranger", "neighbour"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_daemon_keeps_serving(
    mesh: DaemonMesh, captured: list[bytes], kind: Callable[[list[bytes], random.Random], Hostile], source: str
) -> None:
    one, target = mesh["a"], mesh["b"]
    counted, dropped, memory = counted_by(target), socket_memory(target, "d"), target.rss_bytes()
    downs = target.log().count("link down")
    with Pings(one.host, target.address, interval=0.05) as pings, forger_of(mesh, source) as forger:
        flood(forger, kind(captured, random.Random(source)), target)
        result = pings.finish()
    assert result.received >= ANSWERED * result.sent
    assert target.log().count("link down") == downs
    assert target.rss_bytes() - memory < GROWTH_BYTES

    def uncounted() -> int:
        return DATAGRAMS - (counted_by(target) - counted) - (socket_memory(target, "d") - dropped)

    wait_until(lambda: uncounted() <= SHORT_TOGETHER, 20, lambda: f"{uncounted()} hostile datagrams are not counted")
    wait_answered(one, target)


def forger_of(mesh: DaemonMesh, source: str) -> Forger:
    """Sends as the stranger from its own address, or from the wire of `a` with the address and port of its daemon."""
    name = {"stranger": "x", "neighbour": "a"}[source]
    cable = mesh.cable(name, "b")
    host = mesh[name].host
    return Forger(host, (cable.end(host).ipv4, PORT), (cable.far_end(host).ipv4, PORT))


def flood(forger: Forger, hostile: Hostile, target: LabDaemon) -> None:
    """Sends them as fast as the daemon is allowed to look at them: it shares the processor with this flood."""
    for _ in range(DATAGRAMS // BURST):
        for _ in range(BURST):
            forger.send(next(hostile))
        wait_until(lambda: socket_memory(target, "r") < QUEUED_BYTES, 20, "the daemon reads what has come")


def counted_by(daemon: LabDaemon) -> int:
    """Returns how many datagrams the daemon has counted as something else than good."""
    return sum(value for name, value in daemon.counters().items() if name.startswith(KINDS_COUNTED))


def socket_memory(daemon: LabDaemon, letter: str) -> int:
    """Returns one figure of the daemon's sockets, as ss has it: `r` bytes wait to be read, `d` datagrams found no room."""
    shown = daemon.host.run("ss", "-Hlunm", f"sport = :{PORT}").stdout
    return sum(map(int, re.findall(rf"skmem:\(.*?\b{letter}(\d+)", shown)))


def test_a_flood_of_strangers_leaves_a_link_its_round_trips(mesh: DaemonMesh, captured: list[bytes]) -> None:
    """What the link's datagrams would wait for otherwise: the daemon can't read this many.

    What the flood costs this machine, another link feels too.
    """
    one, target, apart, beside = (mesh[name] for name in "abcd")
    rng = random.Random(1)
    kinds = [kind([], rng) for kind in (random_bytes, random_bytes_of_known_types, handshakes)]
    there = mesh.cable("x", "b").end(target.host).ipv6, PORT
    junk = Flood(there, lambda: next(rng.choice(kinds))[:LONGEST_OVER_IPV6])
    mesh.start("cd")
    wait_until(lambda: answers(apart.host, beside.address), PATIENCE_S, "the other link carries packets")
    memory = target.rss_bytes()
    with ThreadPoolExecutor(2) as pool:
        sent = pool.submit(junk.send, mesh["x"].host, per_second=FLOOD_PER_SECOND, seconds=FLOOD_SECONDS)
        elsewhere = pool.submit(ping, apart.host, beside.address, count=FLOOD_PINGS, interval=0.02)
        flooded = ping(one.host, target.address, count=FLOOD_PINGS, interval=0.02)
    assert sent.result() > FLOOD_SECONDS * FLOOD_PER_SECOND / 10  # where the machine is full, it is less of a flood
    assert flooded.received == flooded.sent == FLOOD_PINGS
    assert median(flooded.round_trips_ms) < 2 * median(elsewhere.result().round_trips_ms) + FLOOD_MS
    assert target.rss_bytes() - memory < GROWTH_BYTES
    assert target.counters()["udp_strangers_paused"]
