"""Streams of changes, as server-sent events: links and routes each second, events as they come.

An update is the difference to what this reader was sent last, so nothing waits for a slow one: it gets fewer updates.
Nothing is computed while nobody reads.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncGenerator, Mapping
from math import inf
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from mycelium.admin.control import EndpointInfo, EventInfo, NodeControl, PeerInfo
from mycelium.admin.event_text import describe
from mycelium.admin.mesh import MeshNodeInfo
from mycelium.api.counters import ApiCounters
from mycelium.api.http import Response
from mycelium.errors import HttpError
from mycelium.limits import API_EVENTS_PER_UPDATE, API_STREAMS

EVERY_S: Final = 1.0  # between updates; all streams have theirs at the same time, and share what is computed
SOON_S: Final = 0.1  # between updates while there are events
LOOK_S: Final = 0.25  # between looks at the mesh, for all streams at the same time
LIFE_S: Final = 5.0  # after which a stream of the mesh says that nothing has changed
_SHARED_S: Final = 0.05  # for how long a look at the node will do for other streams
STREAM_TYPE: Final = "text/event-stream"
_HEADERS: Final = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
Routes = Mapping[bytes, tuple[bytes, int, str | None]]


class StreamedPeer(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a `PeerInfo` says that does not change by itself as time goes by."""

    endpoint: EndpointInfo
    origin: str
    connection_state: str
    tx_bytes: int
    rx_bytes: int
    url: str | None = None
    brought_by: str | None = None
    address: str | None = None
    public_key: str | None = None
    rtt_ms: float | None = None
    loss: float | None = None
    cost: int | None = None
    mtu: int | None = None
    last_error: str | None = None
    key_shared: str | None = None


class ToldEvent(Struct, frozen=True):
    """An event, and the same in words."""

    event: EventInfo
    text: str


class StreamUpdate(Struct, frozen=True, omit_defaults=True):
    """What is different since the last update; None for what is gone."""

    time: float  # Unix seconds
    peers: dict[str, StreamedPeer | None] = {}  # by any name that stays
    routes: dict[str, tuple[str, int, str | None] | None] = {}  # node -> next hop, cost in units of 10 us, name
    events: list[ToldEvent] = []


class MeshUpdate(Struct, frozen=True):
    """Nodes of which something is different since the last update; None for what is gone."""

    nodes: dict[str, MeshNodeInfo | None]


class Streams:
    """The open streams of one node."""

    def __init__(self, control: NodeControl, counters: ApiCounters) -> None:
        self._control = control
        self._counters = counters
        self._open = 0
        self._looked_at = self._looked_at_mesh = -inf
        self._mesh_nodes: Mapping[str, MeshNodeInfo] = {}
        self._peers: dict[str, StreamedPeer] = {}
        self._routes: Routes = {}

    def open(self) -> Response:
        """Returns a stream of links, routes and events; raises HttpError if there are too many."""
        return self._opened(self._changes())

    def open_mesh(self) -> Response:
        """Returns a stream of what nodes tell of their links, who are asked while it is open; raises HttpError as `open`."""
        return self._opened(self._mesh())

    def _opened(self, updates: AsyncGenerator[Struct, None]) -> Response:
        if self._open >= API_STREAMS:
            self._counters.streams_refused += 1
            raise HttpError(503, f"{API_STREAMS} streams are open already: close another page")
        return Response(200, b"", STREAM_TYPE, _HEADERS, self._parts(updates))

    async def _parts(self, updates: AsyncGenerator[Struct, None]) -> AsyncGenerator[bytes, None]:
        self._open += 1
        try:
            async with contextlib.aclosing(updates):
                async for update in updates:
                    yield b"data: " + msgspec.json.encode(update) + b"\n\n"
        finally:
            self._open -= 1

    async def _changes(self) -> AsyncGenerator[Struct, None]:
        loop, reader = asyncio.get_running_loop(), _Reader()
        while True:
            happened = self._control.next_event()
            self._look()
            update = reader.take(self._peers, self._routes, self._control.events(reader.newest))
            sent_at = loop.time()
            try:
                yield update
            finally:
                self._counters.updates_skipped += int((loop.time() - sent_at) / EVERY_S)
            await asyncio.sleep(SOON_S)
            if len(update.events) < API_EVENTS_PER_UPDATE:
                await _next_second_or(happened)

    async def _mesh(self) -> AsyncGenerator[Struct, None]:
        loop, sent_at = asyncio.get_running_loop(), -inf
        before: Mapping[str, MeshNodeInfo] = {}
        while True:
            after = self._look_at_mesh()
            changed = _difference(before, after)
            if changed or loop.time() >= sent_at + LIFE_S:
                before, sent_at = after, loop.time()
                yield MeshUpdate(changed)
            await asyncio.sleep(LOOK_S - loop.time() % LOOK_S)

    def _look_at_mesh(self) -> Mapping[str, MeshNodeInfo]:
        now = asyncio.get_running_loop().time()
        if now >= self._looked_at_mesh + _SHARED_S:
            self._looked_at_mesh, self._mesh_nodes = now, self._control.mesh.look()
        return self._mesh_nodes

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._looked_at + _SHARED_S:
            return
        self._looked_at = now
        self._peers = {_name(one): _streamed(one) for one in self._control.peers()}
        self._routes = self._control.next_hops()


class _Reader:
    """What one reader was sent last."""

    __slots__ = ("_peers", "_routes", "newest")

    def __init__(self) -> None:
        self.newest = 0  # sequence of an event
        self._peers: Mapping[str, StreamedPeer] = {}
        self._routes: Routes = {}

    def take(self, peers: Mapping[str, StreamedPeer], routes: Routes, events: list[EventInfo]) -> StreamUpdate:
        """Returns what is new; of events the oldest, if they are too many for one update."""
        told = events[:API_EVENTS_PER_UPDATE]
        update = StreamUpdate(
            time=round(time.time(), 3),
            peers=_difference(self._peers, peers),
            routes={_text(node): _route(way) for node, way in _difference(self._routes, routes).items()},
            events=[ToldEvent(event, describe(event)) for event in told],
        )
        self._peers, self._routes = peers, routes
        self.newest = told[-1].sequence if told else self.newest
        return update


async def _next_second_or(happened: asyncio.Event) -> None:
    rest_s = EVERY_S - asyncio.get_running_loop().time() % EVERY_S
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(rest_s):
            await happened.wait()


def _difference(before: Mapping[_Key, _Value], after: Mapping[_Key, _Value]) -> dict[_Key, _Value | None]:
    """Returns what is new or has changed, and None for what is gone."""
    changed: dict[_Key, _Value | None] = {key: one for key, one in after.items() if before.get(key) != one}
    return changed | {key: None for key in before if key not in after}


def _streamed(peer: PeerInfo) -> StreamedPeer:
    return msgspec.convert(peer, StreamedPeer, from_attributes=True)


def _name(peer: PeerInfo) -> str:
    return f"{peer.origin} {peer.url or peer.public_key or peer.endpoint.socket_addr}"


def _route(way: tuple[bytes, int, str | None] | None) -> tuple[str, int, str | None] | None:
    return None if way is None else (_text(way[0]), *way[1:])


def _text(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET6, address)
