"""All transports of a node: finds the one for each endpoint, and keeps a full one from delaying the others."""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from mycelium.counters import Registry, drops
from mycelium.endpoint import Endpoint
from mycelium.limits import ENDPOINTS_REMEMBERED, UNSENT_CONTROL_BYTES, UNSENT_DATA_BYTES
from mycelium.outbox import Transmit
from mycelium.transport.base import Transport
from mycelium.transport.send_queue import SendQueue
from mycelium.transport.udp_steering import Steering
from mycelium.transport.underlay import Underlay

log = logging.getLogger("mycelium")

SEGMENTS_PER_SEND: Final = 64  # datagrams that one system call may carry
BYTES_PER_SEND: Final = 64_000
_NONE: Final[tuple[Transport, ...]] = ()


def merged(transmits: list[Transmit]) -> Iterable[Transmit]:
    """Joins consecutive single datagrams of one kind to one endpoint, so that they leave in one system call.

    All but the last have the same length, because the kernel cuts the batch at multiples of it.
    """
    joined: list[Transmit] = []
    run: list[bytes | memoryview] = []  # buffers of the newest entry of `joined`
    room = 0
    for endpoint, buffers, size, is_bulk, traffic_class in transmits:
        is_single = len(buffers) == 1 and len(buffers[0]) == size
        if room > 0 and is_single:
            last_endpoint, _, last_size, was_bulk, last_class = joined[-1]
            is_alike = is_bulk is was_bulk and traffic_class == last_class
            if size <= last_size and is_alike and endpoint == last_endpoint:
                run.append(buffers[0])
                room = room - 1 if size == last_size else 0
                continue
        run = list(buffers)
        joined.append((endpoint, run, size, is_bulk, traffic_class))
        room = min(SEGMENTS_PER_SEND, BYTES_PER_SEND // size) - 1 if is_single else 0
    return joined


class _Lane:
    """One transport and the queue in front of it."""

    __slots__ = ("is_full", "queue", "transport")

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.is_full = False
        self.queue: SendQueue[tuple[Endpoint, bytes, int, bool, int]] = SendQueue(
            UNSENT_DATA_BYTES, UNSENT_CONTROL_BYTES
        )


@dataclass(slots=True)
class SetCounters:
    """Drops in front of the transports."""

    unsent_dropped: int = drops("Batches of data dropped since too much waited for a full transport.")
    unsent_control_dropped: int = drops(
        "Batches of other datagrams dropped since too much waited for a full transport."
    )
    no_transport_dropped: int = drops("Batches of datagrams dropped since no transport can reach their endpoint.")
    endpoint_refused: int = drops(
        "Batches of datagrams dropped since their way leads through the overlay itself, or to a broadcast address."
    )


class TransportSet:
    """All transports of one node; the one with the highest rank for an endpoint sends to it."""

    def __init__(
        self, transports: Sequence[Transport], underlay: Underlay | None = None, steerings: Sequence[Steering] = ()
    ) -> None:
        self._steerings = steerings
        self._timed: tuple[Transport | Steering, ...] = (*transports, *steerings)
        self.underlay = underlay or Underlay()
        self.transports = tuple(transports)
        self._refusals = [refusals for one in transports for refusals in (one.unreachable, one.refused, one.oversize)]
        self._lanes = [_Lane(transport) for transport in transports]
        self._lane_of: dict[Endpoint, _Lane | None] = {}  # cache of `_find_lane`; entries can be evicted at any time
        self._logged: set[tuple[str, bool]] = set()  # scheme, and whether IPv6, of endpoints without a transport
        self._has_warned = False  # that an endpoint is reached through the overlay
        self._no_transport: dict[Endpoint, str] = {}  # endpoints that no transport reaches, and why
        self.counters = SetCounters()

    def send(self, transmits: list[Transmit]) -> Sequence[Transport]:
        """Sends a node's datagrams; returns the transports among theirs that have become full, or are backed up.

        Datagrams for a full transport wait in a bounded queue until `drain` is called; one that is backed up queues by
        itself. Drops are counted, never raised.
        """
        filled: Sequence[Transport] = _NONE
        lane_of = self._lane_of
        for endpoint, buffers, size, is_bulk, traffic_class in merged(transmits) if len(transmits) > 1 else transmits:
            lane = lane_of.get(endpoint) or self._find_lane(endpoint)
            if lane is None:
                self._drop(endpoint)
            elif lane.is_full:
                self._keep(lane, endpoint, buffers, size, is_bulk, traffic_class)
            elif not lane.transport.send(endpoint, buffers, size, is_bulk, traffic_class):
                lane.is_full = True
                self._keep(lane, endpoint, buffers, size, is_bulk, traffic_class)
                filled = (*filled, lane.transport)
            elif lane.transport.is_backed_up:
                filled = (*filled, lane.transport)
        return filled

    def drain(self, transport: Transport) -> bool:
        """Sends queued datagrams of a transport that has room again; True once the queue is empty."""
        lane = self._lanes[self.transports.index(transport)]
        while lane.queue:
            endpoint, data, size, is_bulk, traffic_class = lane.queue.first()
            if not transport.send(endpoint, [data], size, is_bulk, traffic_class):
                return False
            lane.queue.pop()
        lane.is_full = False
        return True

    def expect(self, indices: Collection[int]) -> None:
        """Takes the indices that datagrams of the node's links name, so that strangers' datagrams wait elsewhere."""
        for steering in self._steerings:
            steering.expect(indices)

    def has_refusals(self) -> bool:
        """Tells whether any of the three methods below has something to return; asked far more often than they."""
        return any(self._refusals) or bool(self._no_transport)

    def take_unreachable(self) -> dict[Endpoint, str]:
        """Returns the endpoints that could not be reached since the last call, and why, as far as that is known."""
        endpoints = dict(self._no_transport)
        self._no_transport.clear()
        for transport in self.transports:
            endpoints |= transport.unreachable
            transport.unreachable.clear()
        return endpoints

    def take_refused(self) -> dict[Endpoint, str]:
        """Returns the endpoints that the system has refused to send to since the last call, and why."""
        refused: dict[Endpoint, str] = {}
        for transport in self.transports:
            refused |= transport.refused
            transport.refused.clear()
        return refused

    def take_oversize(self) -> list[tuple[Endpoint, int]]:
        """Returns endpoints whose datagrams exceeded an interface's MTU since the last call, and the length of one of each."""
        found: list[tuple[Endpoint, int]] = []
        for transport in self.transports:
            found += transport.oversize.items()
            transport.oversize.clear()
        return found

    @property
    def local_endpoints(self) -> list[Endpoint]:
        """Where the node listens."""
        return [endpoint for transport in self.transports for endpoint in transport.local_endpoints]

    def register(self, metrics: Registry) -> None:
        """Adds the counters of all transports, those of one scheme added up and named after it."""
        metrics.add(self.counters)
        for transport in self.transports:
            metrics.add(transport.counters, prefix=f"{transport.scheme}_")

    def next_deadline(self) -> float:
        """Returns when `handle_timeout` is due."""
        earliest = inf
        for one in self._timed:  # a generator would cost more than all the rest
            if one.due_at < earliest:
                earliest = one.due_at
        return earliest

    def handle_timeout(self, in_use: Callable[[], Collection[Endpoint]], *, now: float) -> None:
        """Does what is due; `in_use` returns the endpoints whose connections stay open."""
        for transport in self.transports:
            if transport.due_at <= now:
                transport.handle_timeout(in_use, now=now)
        for steering in self._steerings:
            steering.handle_timeout(now=now)

    def routes_changed(self) -> None:
        """Has the way to each endpoint looked at again: it may lead through the overlay now, or no longer."""
        self.underlay.routes_changed()
        self._lane_of.clear()

    def close(self) -> None:
        """Closes every transport, the last one first, as it may use the sockets of others; may be called twice."""
        self.underlay.close()
        for transport in reversed(self.transports):
            transport.close()

    def _find_lane(self, endpoint: Endpoint) -> _Lane | None:
        if endpoint in self._lane_of:
            return None
        if len(self._lane_of) >= ENDPOINTS_REMEMBERED:
            del self._lane_of[next(iter(self._lane_of))]
        best = max(self._lanes, key=lambda lane: lane.transport.reach(endpoint), default=None)
        is_reachable = best is not None and best.transport.reach(endpoint) > 0 and not self.underlay.objection(endpoint)
        lane = best if is_reachable else None
        self._lane_of[endpoint] = lane
        return lane

    def _keep(
        self,
        lane: _Lane,
        endpoint: Endpoint,
        buffers: Sequence[bytes | memoryview],
        size: int,
        is_bulk: bool,
        traffic_class: int,
    ) -> None:
        """Queues a copy, because the outbox reuses its buffers."""
        data = b"".join(buffers)
        if lane.queue.put((endpoint, data, size, is_bulk, traffic_class), len(data), is_bulk=is_bulk):
            return
        if is_bulk:
            self.counters.unsent_dropped += 1
        else:
            self.counters.unsent_control_dropped += 1

    def _drop(self, endpoint: Endpoint) -> None:
        objection = self.underlay.objection(endpoint)
        kind = endpoint.scheme, ":" in endpoint.host
        family = "IPv6" if kind[1] else "IPv4"
        if len(self._no_transport) < ENDPOINTS_REMEMBERED:
            self._no_transport[endpoint] = objection or f"this node has no {kind[0]} listener for {family}"
        if objection is not None:
            self._refuse(endpoint, objection)
            return
        self.counters.no_transport_dropped += 1
        if kind not in self._logged:
            self._logged.add(kind)
            log.warning("no listener can send to %s: a %s one for %s is needed", endpoint, endpoint.scheme, family)

    def _refuse(self, endpoint: Endpoint, objection: str) -> None:
        """Counts what may not be sent, and says so once: strangers can have this happen often."""
        self.counters.endpoint_refused += 1
        if not self._has_warned:
            self._has_warned = True
            log.warning("nothing is sent to %s: %s", endpoint, objection)
