"""QUIC transports that are joined by a network in memory, in virtual time."""

import heapq
import itertools
import random
from collections.abc import Callable, Collection, Sequence
from functools import cache
from math import inf

from mycelium.endpoint import Endpoint
from mycelium.transport.base import Buffer
from mycelium.transport.certificate import ServerCertificate
from mycelium.transport.quic.carriers import TakePackets
from mycelium.transport.quic.transport import QuicTransport
from mycelium.transport.udp_steering import Steering

DELAY_S = 0.005


@cache
def certificate() -> ServerCertificate:
    """Returns a self-made certificate; making one anew takes a while."""
    return ServerCertificate(now=0.0)


class MemoryCarrier:
    """What a UDP transport is to QUIC, on a `MemoryNet`."""

    def __init__(self, net: "MemoryNet", host: str) -> None:
        self.net = net
        self.endpoint = Endpoint("udp", host, 9651)
        self.take_quic: TakePackets | None = None
        self.unreachable: dict[Endpoint, str] = {}
        self.refused: dict[Endpoint, str] = {}
        self.oversize: dict[Endpoint, int] = {}
        self.sent: list[bytes] = []
        self.waited = 0.0

    def reach(self, endpoint: Endpoint) -> float:
        return float(endpoint.scheme == "udp")

    def waited_s(self) -> float:
        return self.waited

    def send(self, endpoint: Endpoint, buffers: Sequence[Buffer], segment_size: int) -> bool:
        batch = b"".join(buffers)
        for start in range(0, len(batch), segment_size):
            self.sent.append(batch[start : start + segment_size])
            self.net.carry(self.endpoint, endpoint, self.sent[-1])
        return True


class RecordedSteering(Steering):
    """Keeps what the kernel is told."""

    def __init__(self) -> None:
        self.expected: set[bytes] = set()

    def expect_quic(self, identifiers: Collection[bytes]) -> None:
        self.expected = set(identifiers)


class MemoryNet:
    """Loses and reorders packets as it is told, and keeps the time."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.lost: Callable[[bytes], bool] = lambda packet: False
        self.jitter_s = 0.0
        self.random = random.Random(1)
        self.nodes: dict[str, QuicTransport] = {}
        self.carriers: dict[str, MemoryCarrier] = {}
        self.received: dict[str, list[tuple[bytes, Endpoint]]] = {}
        self.steerings: dict[str, RecordedSteering] = {}
        self.in_use: dict[str, Callable[[], set[Endpoint]]] = {}
        self._under_way: list[tuple[float, int, str, Endpoint, bytes]] = []
        self._order = itertools.count()

    def add(self, host: str) -> QuicTransport:
        """Adds a node, or replaces the one that was there, as a restart does."""
        self.carriers[host] = MemoryCarrier(self, host)
        self.steerings[host] = RecordedSteering()
        node = QuicTransport(
            [self.carriers[host]],
            certificate=certificate(),
            steerings=[self.steerings[host]],
            clock=lambda: self.now,
        )
        self.nodes[host] = node
        self.received[host] = []
        self.in_use[host] = lambda: {name for pipe in node._pipes if pipe.is_open for name in pipe.names}
        return node

    def carry(self, source: Endpoint, destination: Endpoint, packet: bytes) -> None:
        """Takes a packet, which arrives later if it is not lost."""
        if not self.lost(packet):
            at = self.now + DELAY_S + self.random.random() * self.jitter_s
            heapq.heappush(self._under_way, (at, next(self._order), destination.host, source, packet))

    def run(self, until: Callable[[], bool] = lambda: False, *, seconds: float = 10.0) -> bool:
        """Lets time pass until something is so; False if it is not within this time."""
        end = self.now + seconds
        while not until():
            at = min([node.due_at for node in self.nodes.values()], default=inf)
            at = min(at, self._under_way[0][0]) if self._under_way else at
            if at > end:
                self.now = end
                return False
            self.now = max(self.now, at)
            self._step()
        return True

    def _step(self) -> None:
        while self._under_way and self._under_way[0][0] <= self.now:
            _, _, host, source, packet = heapq.heappop(self._under_way)
            carrier = self.carriers[host]
            if carrier.take_quic is not None:
                local = bytes(map(int, host.split(".")))
                carrier.take_quic(memoryview(packet), len(packet), source._replace(local=local, local_port=9651))
        for host, node in self.nodes.items():
            if node.due_at <= self.now:
                node.handle_timeout(self.in_use[host], now=self.now)
            while (received := node.receive()) is not None:
                data, size, source = received
                self.received[host] += ((bytes(data[i : i + size]), source) for i in range(0, len(data), size))

    def close(self) -> None:
        for node in self.nodes.values():
            node.close()


def at(host: str) -> Endpoint:
    """Returns where a node is dialled."""
    return Endpoint("quic", host, 9651)
