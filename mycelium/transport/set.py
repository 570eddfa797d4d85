"""The transports of a node as one: finds the transport for each endpoint, and keeps a full one from delaying the others."""

import logging
from collections.abc import Iterable, Sequence
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.limits import ENDPOINTS_REMEMBERED
from mycelium.outbox import Transmit
from mycelium.transport.base import Transport
from mycelium.transport.send_queue import SendQueue

log = logging.getLogger("mycelium")

SEGMENTS_PER_SEND: Final = 64  # datagrams that one system call may carry
BYTES_PER_SEND: Final = 64_000
_NONE: Final[tuple[Transport, ...]] = ()


def merged(transmits: list[Transmit]) -> Iterable[Transmit]:
    """Joins consecutive lone datagrams of one kind to one endpoint: one system call.

    All but the last have the same length, since the kernel cuts them apart again at multiples of it.
    """
    if len(transmits) < 2:
        return transmits
    joined: list[Transmit] = []
    run: list[bytes | memoryview] = []  # of the last of `joined`, while it may grow
    room = 0
    for endpoint, buffers, size, is_bulk in transmits:
        if room > 0 and len(buffers) == 1:
            last_endpoint, _, last_size, was_bulk = joined[-1]
            if size <= last_size and endpoint == last_endpoint and is_bulk is was_bulk:
                run.append(buffers[0])
                room = room - 1 if size == last_size else 0
                continue
        run = list(buffers)
        joined.append((endpoint, run, size, is_bulk))
        room = min(SEGMENTS_PER_SEND, BYTES_PER_SEND // size) - 1 if len(run) == 1 else 0
    return joined


class _Lane:
    """One transport, and what waits until it has room again."""

    __slots__ = ("is_full", "queue", "transport")

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.is_full = False
        self.queue: SendQueue[tuple[Endpoint, bytes, int, bool]] = SendQueue()

    def keep(self, endpoint: Endpoint, buffers: Sequence[bytes | memoryview], size: int, is_bulk: bool) -> None:
        """Copies what can't be sent now, since the outbox's buffers are soon used again."""
        data = b"".join(buffers)
        self.queue.put((endpoint, data, size, is_bulk), len(data), is_bulk=is_bulk)


class TransportSet:
    """All transports of one node; where several can reach an endpoint, the one that is placed best sends to it."""

    def __init__(self, transports: Sequence[Transport]) -> None:
        self.transports = tuple(transports)
        self._lanes = [_Lane(transport) for transport in transports]
        self._lane_of: dict[Endpoint, _Lane | None] = {}  # only what `_find_lane` has found: safe to forget
        self._logged: set[tuple[str, bool]] = set()  # scheme and whether IPv6: what no transport was found for
        self._no_transport: dict[Endpoint, None] = {}
        self._no_transport_dropped = 0

    def send(self, transmits: list[Transmit]) -> Sequence[Transport]:
        """Sends what a node has in its outbox; returns transports that have become full by it.

        What goes to a full transport waits, within bounds, until `drain` is called. A drop is counted, never raised.
        """
        filled: Sequence[Transport] = _NONE
        lane_of = self._lane_of
        for endpoint, buffers, size, is_bulk in merged(transmits):
            lane = lane_of.get(endpoint) or self._find_lane(endpoint)
            if lane is None:
                self._drop(endpoint)
            elif lane.is_full:
                lane.keep(endpoint, buffers, size, is_bulk)
            elif not lane.transport.send(endpoint, buffers, size, is_bulk):
                lane.is_full = True
                lane.keep(endpoint, buffers, size, is_bulk)
                filled = (*filled, lane.transport)
        return filled

    def drain(self, transport: Transport) -> bool:
        """Sends what waits for a transport that has room again; True once nothing waits any more."""
        lane = self._lanes[self.transports.index(transport)]
        while lane.queue:
            endpoint, data, size, is_bulk = lane.queue.first()
            if not transport.send(endpoint, [data], size, is_bulk):
                return False
            lane.queue.pop()
        lane.is_full = False
        return True

    def take_unreachable(self) -> list[Endpoint]:
        """Returns the endpoints to which the system, or this set, has lately had no way."""
        if not self._no_transport and not any(transport.unreachable for transport in self.transports):
            return []
        endpoints = dict(self._no_transport)
        self._no_transport.clear()
        for transport in self.transports:
            endpoints |= transport.unreachable
            transport.unreachable.clear()
        return list(endpoints)

    def take_oversize(self) -> list[tuple[Endpoint, int]]:
        """Returns for which endpoints datagrams have lately been too long to leave this host, and their length."""
        found: list[tuple[Endpoint, int]] = []
        for transport in self.transports:
            if transport.oversize:
                found += transport.oversize.items()
                transport.oversize.clear()
        return found

    @property
    def local_endpoints(self) -> list[Endpoint]:
        """Where the node listens."""
        return [endpoint for transport in self.transports for endpoint in transport.local_endpoints]

    @property
    def counters(self) -> dict[str, int]:
        """Returns the counters of all transports, those of one scheme added up and named after it."""
        counters = {
            "unsent_dropped": sum(lane.queue.dropped_data for lane in self._lanes),
            "unsent_control_dropped": sum(lane.queue.dropped_control for lane in self._lanes),
            "no_transport_dropped": self._no_transport_dropped,
        }
        for transport in self.transports:
            for name, value in transport.counters.items():
                full_name = f"{transport.scheme}_{name}"
                counters[full_name] = counters.get(full_name, 0) + value
        return counters

    def _find_lane(self, endpoint: Endpoint) -> _Lane | None:
        if endpoint in self._lane_of:
            return None
        if len(self._lane_of) >= ENDPOINTS_REMEMBERED:
            del self._lane_of[next(iter(self._lane_of))]
        best = max(self._lanes, key=lambda lane: lane.transport.reach(endpoint), default=None)
        lane = best if best is not None and best.transport.reach(endpoint) > 0 else None
        self._lane_of[endpoint] = lane
        return lane

    def _drop(self, endpoint: Endpoint) -> None:
        self._no_transport_dropped += 1
        if len(self._no_transport) < ENDPOINTS_REMEMBERED:
            self._no_transport[endpoint] = None
        kind = endpoint.scheme, ":" in endpoint.host
        if kind not in self._logged:
            self._logged.add(kind)
            family = "IPv6" if kind[1] else "IPv4"
            log.warning("no listener can send to %s: a %s one for %s is needed", endpoint, endpoint.scheme, family)
