"""Whole nodes in one process: joined by links of given delay, in virtual time, with packets in and out as plain bytes."""

import heapq
import random
from collections.abc import Callable
from itertools import count

from mycelium.crypto.primitives import RealPrimitives
from mycelium.endpoint import Endpoint
from mycelium.identity import Identity
from mycelium.node.node import Node, NodeSettings
from mycelium.node.outbox import LinkDown, LinkUp, ResolvePeer
from mycelium.wire.batch import PacketBatch
from mycelium.wire.datagram import SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305
from mycelium.wire.train import ITEM_HEADER_BYTES

BOTH_SUITES = SUITE_AES_256_GCM | SUITE_CHACHA20_POLY1305


class Host:
    """A node, the address that others find it at, and what came out of its TUN."""

    def __init__(self, net: "NodeNet", name: str, seed: int, psk: bytes, suites: int, epoch: int) -> None:
        self.name = name
        self.endpoint = Endpoint("udp", name, 9651)
        self.identity = Identity(seed.to_bytes(32, "big"))
        self.rng = random.Random(f"{name}/{epoch}")
        self.node = Node(
            self.identity,
            settings=NodeSettings(psk=psk, suites=suites),
            epoch=epoch,
            entropy=self.rng.randbytes,
            rng=self.rng,
            primitives=RealPrimitives(),
            now=net.now,
        )
        self.delivered: list[tuple[bytes, int, int]] = []
        self.events: list[LinkUp | LinkDown] = []

    @property
    def address(self) -> bytes:
        return self.identity.address


class NodeNet:
    """Hosts, the delays between them, and the event heap. `drop` sees each datagram: sender, receiver, bytes."""

    def __init__(self, seed: int = 0) -> None:
        self.now = 1000.0
        self.rng = random.Random(seed)
        self.hosts: dict[str, Host] = {}
        self.delays: dict[tuple[str, str], float] = {}
        self.drop: Callable[[str, str, bytes], bool] = lambda sender, receiver, data: False
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = count()

    def add(
        self, name: str, *, psk: bytes = bytes(32), suites: int = BOTH_SUITES, seed: int | None = None, epoch: int = 1
    ) -> Host:
        """Adds a host, or starts a stopped one anew."""
        key = sum(name.encode()) * 1000 + len(name) if seed is None else seed
        host = self.hosts[name] = Host(self, name, key, psk, suites, epoch)
        self._wake(host)
        return host

    def join(self, one: str, other: str, delay: float = 0.005, *, pin: bytes | None = None) -> None:
        """Puts a link between two hosts; `one` has `other` in its peer list."""
        self.delays[one, other] = self.delays[other, one] = delay
        self.hosts[one].node.add_peer(f"udp://{other}:9651", pin=pin, now=self.now)
        self._drain(self.hosts[one])

    def cut(self, one: str, other: str) -> None:
        """Cuts a link without a word."""
        del self.delays[one, other], self.delays[other, one]

    def send(self, sender: str, packet: bytes, flags: int = 0, segment_size: int = 0) -> None:
        """An application of `sender` sends a packet."""
        host = self.hosts[sender]
        batch = PacketBatch()
        end = ITEM_HEADER_BYTES + len(packet)
        batch.buffer[ITEM_HEADER_BYTES:end] = packet
        batch.slots = [(ITEM_HEADER_BYTES, end, flags, segment_size)]
        host.node.send_packets(batch, now=self.now)
        self._drain(host)

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> float:
        """Runs for so long, or until the condition holds; returns how long it took."""
        start, end = self.now, self.now + seconds
        while self._heap and self._heap[0][0] <= end and not (until is not None and until()):
            self.now, _, action = heapq.heappop(self._heap)
            action()
        if until is None:
            self.now = end
        else:
            assert until(), f"not within {seconds} s"
        return self.now - start

    def inject(self, receiver: str, sender: Endpoint, data: bytes) -> None:
        """Hands a datagram to a host as if `sender` had sent it."""
        host = self.hosts[receiver]
        host.node.receive(sender, memoryview(bytearray(data)), len(data), now=self.now)
        self._drain(host)

    def _at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (when, next(self._count), action))

    def _wake(self, host: Host) -> None:
        deadline = host.node.next_deadline()
        if deadline < float("inf"):
            self._at(max(deadline, self.now), lambda: self._on_wake(host, deadline))

    def _on_wake(self, host: Host, deadline: float) -> None:
        if self.hosts.get(host.name) is host and host.node.next_deadline() <= self.now:
            host.node.handle_timeout(now=self.now)
            self._drain(host)

    def _drain(self, host: Host) -> None:
        outbox = host.node.outbox
        resolve: list[str] = []
        for endpoint, buffers, segment_size in outbox.transmits:
            data = b"".join(buffers)
            for start in range(0, len(data), segment_size):
                self._transmit(host, endpoint, data[start : start + segment_size])
        host.delivered += [(bytes(packet), flags, size) for packet, flags, size in outbox.deliveries]
        for event in outbox.events:
            if isinstance(event, ResolvePeer):
                resolve.append(event.url)
            else:
                host.events.append(event)
        outbox.clear()
        for url in resolve:
            name = url.removeprefix("udp://").rpartition(":")[0]
            host.node.peer_resolved(url, [Endpoint("udp", name, 9651)], now=self.now)
            self._drain(host)
        self._wake(host)

    def _transmit(self, sender: Host, endpoint: Endpoint, data: bytes) -> None:
        delay = self.delays.get((sender.name, endpoint.host))
        if delay is None or self.drop(sender.name, endpoint.host, data):
            return
        self._at(self.now + delay, lambda: self._arrive(sender.endpoint, endpoint.host, data))

    def _arrive(self, sender: Endpoint, receiver: str, data: bytes) -> None:
        if receiver in self.hosts:
            self.inject(receiver, sender, data)
