"""Transports connected in memory, for tests: like UDP, and lossless unless told otherwise."""

import os
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import inf

from mycelium.counters import counter
from mycelium.endpoint import Endpoint
from mycelium.limits import MEMORY_TRANSPORT_BYTES
from mycelium.transport.base import Buffer, Received

# sender, receiver, datagram: True loses the datagram
Drop = Callable[[Endpoint, Endpoint, bytes], bool]


class MemoryHub:
    """A network without delay that connects any number of transports, and loses the datagrams that `drop` picks."""

    def __init__(self, drop: Drop | None = None) -> None:
        self.drop = drop
        self._transports: dict[Endpoint, MemoryTransport] = {}

    def open(self, host: str, port: int = 9651, *, scheme: str = "memory") -> "MemoryTransport":
        """Adds a transport that is reached at memory://host:port, or stands in for one of another scheme."""
        transport = MemoryTransport(self, Endpoint(scheme, host, port))
        self._transports[transport.endpoint] = transport
        return transport

    def carry(self, source: Endpoint, destination: Endpoint, datagrams: list[bytes], segment_size: int) -> bool:
        """Delivers a batch, except what is lost, to its destination; False if that is full."""
        receiver = self._transports.get(destination)
        if receiver is None:
            return True
        if self.drop is not None:
            datagrams = [datagram for datagram in datagrams if not self.drop(source, destination, datagram)]
        return receiver.deliver(source, datagrams, segment_size)

    def remove(self, endpoint: Endpoint) -> None:
        """Disconnects a transport; datagrams to it are lost."""
        self._transports.pop(endpoint, None)


@dataclass(slots=True)
class MemoryCounters:
    """What one in-memory transport counts."""

    received_batches: int = counter("Batches of datagrams taken.")
    received_bytes: int = counter("Bytes of the datagrams taken.")
    sent_batches: int = counter("Batches of datagrams sent.")
    sent_bytes: int = counter("Bytes of the datagrams sent.")
    send_full: int = counter("Batches refused because the receiver was full.")


class MemoryTransport:
    """One end on a `MemoryHub`; see `Transport` for what its methods promise."""

    is_backed_up = False
    is_congested = is_drained = False
    due_at = inf

    def __init__(self, hub: MemoryHub, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.scheme = endpoint.scheme
        self._hub = hub
        self._waiting: deque[tuple[bytes, int, Endpoint]] = deque()
        self._waiting_bytes = 0
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.unreachable: dict[Endpoint, str] = {}
        self.refused: dict[Endpoint, str] = {}
        self.oversize: dict[Endpoint, int] = {}
        self.counters = MemoryCounters()

    @classmethod
    def pair(cls) -> "tuple[MemoryTransport, MemoryTransport]":
        """Returns two transports on a hub of their own."""
        hub = MemoryHub()
        return hub.open("a"), hub.open("b")

    def fileno(self) -> int:
        return self._event

    def reach(self, endpoint: Endpoint) -> float:
        return float(endpoint.scheme == self.scheme)

    def receive(self) -> Received | None:
        if not self._waiting:
            return None
        data, size, source = self._waiting.popleft()
        self._waiting_bytes -= len(data)
        if not self._waiting:
            os.eventfd_read(self._event)
        self.counters.received_batches += 1
        self.counters.received_bytes += len(data)
        return memoryview(data), size, source

    def holds_more(self) -> bool:
        return False

    def stop_waiting(self) -> None:
        pass

    def waited_s(self) -> float:
        return 0.0

    def send(
        self,
        endpoint: Endpoint,
        buffers: Sequence[Buffer],
        segment_size: int,
        is_bulk: bool = False,
        traffic_class: int = 0,
    ) -> bool:
        batch = b"".join(buffers)
        datagrams = [batch[start : start + segment_size] for start in range(0, len(batch), segment_size)]
        if not self._hub.carry(self.endpoint, endpoint, datagrams or [b""], segment_size):
            self.counters.send_full += 1
            return False
        self.counters.sent_batches += 1
        self.counters.sent_bytes += len(batch)
        return True

    def deliver(self, source: Endpoint, datagrams: list[bytes], segment_size: int) -> bool:
        """Queues a batch, to be received in one call as with UDP_GRO; False if the queue is full."""
        batch = b"".join(datagrams)
        if self._waiting_bytes + len(batch) > MEMORY_TRANSPORT_BYTES:
            return False
        if datagrams:
            if not self._waiting:
                os.eventfd_write(self._event, 1)
            self._waiting.append((batch, min(segment_size, len(batch)) or 1, source))
            self._waiting_bytes += len(batch)
        return True

    @property
    def local_endpoints(self) -> list[Endpoint]:
        return [self.endpoint]

    def handle_timeout(self, in_use: Callable[[], Collection[Endpoint]], *, now: float) -> None:
        pass

    def close(self) -> None:
        self._hub.remove(self.endpoint)
        if self._event >= 0:
            os.close(self._event)
            self._event = -1
