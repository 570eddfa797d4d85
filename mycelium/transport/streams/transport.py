"""Streams, for networks that block UDP: length-prefixed datagrams over connections that the first datagram dials.

They travel in TCP as it is (tcp://), in TLS (tls://), or in a WebSocket within TLS (wss://); one listener takes all three.

All sockets share one epoll descriptor, which is readable while any of them has an event. The owner does not see connections:
when one ends, its endpoint becomes unreachable, and the next datagram to it dials again.
"""

import select
import socket
import ssl
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from math import inf
from time import monotonic, time
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.errors import DecodeError, OpeningRefused
from mycelium.limits import ENDPOINTS_REMEMBERED, TCP_CONNECTIONS
from mycelium.transport.backlog import Backlog
from mycelium.transport.base import Buffer, Received
from mycelium.transport.causes import CLOSED, OTHER_PROTOCOL, TOO_MANY
from mycelium.transport.certificate import ServerCertificate
from mycelium.transport.framing import framed
from mycelium.transport.lifetime import SWEEP_S, first_untrusted, has_path, is_overdue, is_unused
from mycelium.transport.strangers import Strangers
from mycelium.transport.streams import causes
from mycelium.transport.streams.connection import StreamConnection
from mycelium.transport.streams.counters import StreamCounters
from mycelium.transport.streams.dialling import SCHEMES, Dialling
from mycelium.transport.streams.listeners import Listeners
from mycelium.transport.streams.proxy import Proxy
from mycelium.transport.streams.sockets import SCHEME, arrival_interface, listen_at, local_address, tune
from mycelium.transport.streams.stack import AcceptedStack
from mycelium.transport.underlay import Underlay

SCRATCH_BYTES: Final = 256 << 10  # size of one read: several datagrams of the largest size
EVENTS_PER_POLL: Final = 64
STRANGERS_PER_POLL: Final = 4  # read before others have their turn; TLS takes 0.3 ms for each


class StreamTransport:
    """Any number of listening sockets and connections; see `Transport` for what its methods promise."""

    scheme = SCHEME

    def __init__(
        self,
        listeners: Iterable[socket.socket] = (),
        *,
        underlay: Underlay | None = None,
        proxy: Proxy | None = None,
        certificate: ServerCertificate | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._underlay = underlay or Underlay()
        self._clock = clock
        self._dialling = Dialling(self._underlay, proxy)
        self._certificate = certificate or ServerCertificate(now=clock())
        self._epoll = select.epoll()
        self._listeners = Listeners(listeners, self._epoll, now=clock())
        self._connections: dict[int, StreamConnection] = {}  # by file descriptor, oldest first
        self._by_name: dict[Endpoint, StreamConnection] = {}
        self._strangers = Strangers()
        self._accepted = 0
        self._backlog = Backlog()
        self._scratch = memoryview(bytearray(SCRATCH_BYTES))
        self._arrived: deque[Received] = deque()  # datagrams in `_scratch`
        self._arrived_at = inf  # when the last byte read into it had arrived, in Unix time
        self._readable: deque[StreamConnection] = deque()
        self.due_at = inf
        self.counters = StreamCounters()
        self.unreachable: dict[Endpoint, str] = {}
        self.refused: dict[Endpoint, str] = {}
        self.oversize: dict[Endpoint, int] = {}
        self.is_congested = self.is_drained = False

    @classmethod
    def open(
        cls,
        addresses: Iterable[tuple[str, int]] = (),
        *,
        underlay: Underlay | None = None,
        proxy: Proxy | None = None,
        certificate: ServerCertificate | None = None,
    ) -> "StreamTransport":
        """Listens on numeric addresses and ports; raises DeviceError, written for the operator."""
        underlay = underlay or Underlay()
        listeners = listen_at(addresses, underlay)
        return cls(listeners, underlay=underlay, proxy=proxy, certificate=certificate)

    def fileno(self) -> int:
        return -1 if self._epoll.closed else self._epoll.fileno()

    def reach(self, endpoint: Endpoint) -> float:
        return float(endpoint.scheme in SCHEMES)

    @property
    def is_backed_up(self) -> bool:
        return self._backlog.is_waited_for

    def stop_waiting(self) -> None:
        self._backlog.stop_waiting(connection.queue for connection in self._connections.values())

    def waited_s(self) -> float:
        return max(time() - self._arrived_at, 0.0)

    @property
    def local_endpoints(self) -> list[Endpoint]:
        return self._listeners.endpoints

    def close(self) -> None:
        for connection in self._connections.values():
            connection.stream.close()
        self._listeners.close()
        self._epoll.close()

    # -- receiving -----------------------------------------------------------------------------------------------------

    def receive(self) -> Received | None:
        if not self._arrived:
            if not self._readable:
                self._poll()
            while self._readable and not self._arrived:
                self._read(self._readable.popleft())
        return self._arrived.popleft() if self._arrived else None

    def holds_more(self) -> bool:
        return bool(self._arrived or self._readable)

    def _poll(self) -> None:
        strangers = 0
        for descriptor, events in self._epoll.poll(0, EVENTS_PER_POLL):
            connection = self._connections.get(descriptor)
            if descriptor in self._listeners:
                self._accept_from(descriptor)
            if connection is None:  # a listener, or a connection that was just evicted by a new one
                continue
            if connection.is_connecting:
                self._finish_connecting(connection)
                continue
            if events & select.EPOLLOUT:
                self._flush(connection)
            if events & ~select.EPOLLOUT:
                strangers += not connection.is_trusted
                if connection.is_trusted or strangers <= STRANGERS_PER_POLL:  # the rest stays readable
                    self._readable.append(connection)

    def _read(self, connection: StreamConnection) -> None:
        try:
            datagrams, count = connection.receive(self._scratch)
        except (OSError, EOFError):
            self._lose(connection)
            return
        except DecodeError:
            self.counters.malformed += 1
            self._end(connection, OTHER_PROTOCOL)
            return
        except OpeningRefused as refused:
            self._fail(connection, str(refused))
            return
        self.counters.received_batches += 1
        self.counters.received_bytes += count
        if datagrams:
            endpoint = connection.endpoint if connection.names else self._name_accepted(connection)
            self._arrived.extend((datagram, len(datagram), endpoint) for datagram in datagrams)
            self._arrived_at = connection.arrived_at
        if connection.stack is not None or not connection.is_trusted:
            self._go_on(connection)

    def _go_on(self, connection: StreamConnection) -> None:
        """Sends what layers answer to what was read, and asks at once whether a stranger that has said much is used."""
        if connection.is_suspended:
            self.due_at = 0.0
        if connection.events != connection.wanted_events:
            self._flush(connection)

    # -- sending -------------------------------------------------------------------------------------------------------

    def send(
        self,
        endpoint: Endpoint,
        buffers: Sequence[Buffer],
        segment_size: int,
        is_bulk: bool = False,
        traffic_class: int = 0,
    ) -> bool:
        connection = self._by_name.get(endpoint) or self._find(endpoint)
        if connection is None:
            self.counters.send_lost += 1
            return True
        pieces = framed(buffers, segment_size)
        size = sum(map(len, pieces))
        try:
            has_room = not is_bulk or self._backlog.has_room(connection.queue, size, now=self._clock())
            is_taken = has_room and connection.send(pieces, size, is_bulk=is_bulk)
        except OSError:
            self._lose(connection)
            return True
        if is_taken:
            self.counters.sent_batches += 1
            self.counters.sent_bytes += size
        else:
            self.counters.send_dropped += 1
        if connection.events != connection.wanted_events or connection.queue.counted_bytes != connection.queue.bytes:
            self._watch(connection)
        return True

    def _flush(self, connection: StreamConnection) -> None:
        try:
            connection.flush()
        except OSError:
            self._lose(connection)
            return
        self._watch(connection)

    def _find(self, endpoint: Endpoint) -> StreamConnection | None:
        """Returns the connection to the same remote address, dialling it if there is none; None if that is impossible."""
        known = self._by_name.get(endpoint.remote)
        if known is not None:
            return known
        if endpoint.connection:
            self._note_unreachable(endpoint, CLOSED)
            return None
        if len(self._connections) >= TCP_CONNECTIONS and not self._make_room():
            self._note_unreachable(endpoint, TOO_MANY)
            return None
        try:
            connection = self._dialling.begin(endpoint, now=self._clock())
        except OpeningRefused as error:
            self.counters.dial_failed += 1
            self._note_unreachable(endpoint, str(error))
            return None
        self.counters.dialled += 1
        self._add(connection)
        self._name(connection, endpoint.remote)
        return connection

    # -- connections begin and end -------------------------------------------------------------------------------------

    def _finish_connecting(self, connection: StreamConnection) -> None:
        try:
            error = connection.stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, causes.CONNECT)
            local = local_address(connection.stream)
        except OSError as error:
            self._fail(connection, causes.connect_failed(error))
            return
        connection.is_connecting = False
        self._name(connection, connection.peer._replace(local=local))
        self._flush(connection)

    def _fail(self, connection: StreamConnection, cause: str) -> None:
        """Gives up a connection that was dialled and did not open."""
        self.counters.dial_failed += 1
        self._end(connection, self._dialling.not_connected(cause) if connection.is_connecting else cause)

    def _lose(self, connection: StreamConnection) -> None:
        """Takes that the other end or the network has ended a connection."""
        self.counters.ended += 1
        self._end(connection, causes.CLOSED_EARLY if connection.is_opening else CLOSED)

    def _accept_from(self, descriptor: int) -> None:
        for stream, remote in self._listeners.accept(descriptor, now=self._clock()):
            self._accept(stream, remote)
        self.due_at = min(self.due_at, self._listeners.resume_at)

    def _accept(self, stream: socket.socket, remote: Endpoint) -> None:
        if self._underlay.came_through_overlay(remote.host, arrival_interface(stream)):
            self.counters.inside_refused += 1
            stream.close()
            return
        try:
            tune(stream)
            local = local_address(stream)
        except OSError:  # the connection has ended
            stream.close()
            return
        is_full = len(self._connections) >= TCP_CONNECTIONS and not self._make_room()
        if is_full or not self._strangers.admit(remote.host):
            self.counters.refused += 1
            stream.close()
            return
        self.counters.accepted += 1
        self._accepted += 1
        peer = remote._replace(local=local, connection=self._accepted)
        stack = AcceptedStack(self._tls_context)
        self._add(StreamConnection(stream, peer, stack, is_connecting=False, now=self._clock()))

    def _tls_context(self) -> ssl.SSLContext:
        return self._certificate.context(now=self._clock())

    def _name_accepted(self, connection: StreamConnection) -> Endpoint:
        """Gives an accepted connection its endpoint, once its first datagram tells that it carries some."""
        stack = connection.stack
        endpoint = connection.peer._replace(scheme=stack.scheme if isinstance(stack, AcceptedStack) else SCHEME)
        self._name(connection, endpoint.remote)
        self._name(connection, endpoint)
        return endpoint

    def _make_room(self) -> bool:
        """Closes the oldest untrusted connection; False if there is none."""
        connection = first_untrusted(self._connections.values())
        if connection is None:
            return False
        self.counters.unused += 1
        self._end(connection)
        return True

    def _add(self, connection: StreamConnection) -> None:
        self._connections[connection.stream.fileno()] = connection
        self.due_at = min(self.due_at, self._clock() + SWEEP_S)
        connection.events = connection.wanted_events
        self._epoll.register(connection.stream, connection.events)

    def _name(self, connection: StreamConnection, endpoint: Endpoint) -> None:
        connection.names = (*connection.names, endpoint)
        self._by_name[endpoint] = connection

    def _watch(self, connection: StreamConnection) -> None:
        """Updates the totals and the epoll registration after a change of a connection's queue or state."""
        self._backlog.follow(connection.queue, now=self._clock())
        if connection.events != connection.wanted_events:
            connection.events = connection.wanted_events
            self._epoll.modify(connection.stream, connection.events)

    def _end(self, connection: StreamConnection, cause: str = "") -> None:
        """Closes a connection: its queue is lost, and its endpoints become unreachable."""
        if self._connections.pop(connection.stream.fileno(), None) is None:
            return
        self._backlog.forget(connection.queue)
        if not connection.is_trusted:
            self._forget_stranger(connection)
        for name in connection.names:
            if self._by_name.get(name) is connection:
                del self._by_name[name]
            self._note_unreachable(name, cause)
        if connection in self._readable:
            self._readable.remove(connection)
        connection.stream.close()

    def _note_unreachable(self, endpoint: Endpoint, cause: str) -> None:
        if len(self.unreachable) < ENDPOINTS_REMEMBERED:
            self.unreachable[endpoint] = cause

    def _forget_stranger(self, connection: StreamConnection) -> None:
        if connection.peer.connection:
            self._strangers.forget(connection.peer.host)

    # -- time ----------------------------------------------------------------------------------------------------------

    def handle_timeout(self, in_use: Callable[[], Collection[Endpoint]], *, now: float) -> None:
        """Trusts the connections of paths, and closes connections that have had no path for a while."""
        if now < self.due_at:
            return
        endpoints = in_use()
        for connection in list(self._connections.values()):
            if has_path(connection, endpoints):
                connection.unused_since = now
                if not connection.is_trusted:
                    self._trust(connection)
            elif connection.is_opening and is_overdue(connection, now=now):
                self._fail(connection, causes.NOT_CONNECTED if connection.is_connecting else causes.NOT_OPENED)
            elif is_unused(connection, now=now):
                self.counters.unused += 1
                self._end(connection)
        self._listeners.resume()
        self.due_at = now + SWEEP_S if self._connections else inf

    def _trust(self, connection: StreamConnection) -> None:
        self._forget_stranger(connection)
        connection.is_trusted = True
        self._watch(connection)
