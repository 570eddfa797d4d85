"""QUIC v1 on the ports of UDP: each datagram travels in a connection, which the first one to an endpoint dials.

The sockets are those of the UDP transports, which hand over what begins with a byte of QUIC's. As with streams, the owner does
not see connections: when one ends, its endpoint becomes unreachable, and the next datagram to it dials again. A peer at
another address is another connection: moving between addresses is the link's matter.
"""

import os
from collections import deque
from collections.abc import Callable, Collection, Sequence
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Final

from mycelium.endpoint import Endpoint, is_same_remote
from mycelium.errors import DecodeError
from mycelium.limits import ENDPOINTS_REMEMBERED, QUIC_CONNECTIONS, QUIC_UNREAD_BYTES
from mycelium.transport.backlog import Backlog
from mycelium.transport.base import Buffer, Received
from mycelium.transport.causes import CLOSED, OTHER_PROTOCOL, TOO_MANY
from mycelium.transport.certificate import ServerCertificate
from mycelium.transport.lifetime import SWEEP_S, first_untrusted, has_path, is_overdue, is_unused
from mycelium.transport.quic import causes
from mycelium.transport.quic.carriers import Carrier, Carriers, below
from mycelium.transport.quic.counters import QuicCounters
from mycelium.transport.quic.runs import INITIAL_BYTES, runs_of_one_connection, runs_of_one_size
from mycelium.transport.strangers import Strangers
from mycelium.transport.udp_steering import Steering

if TYPE_CHECKING:
    from mycelium.transport.quic.connection import QuicPipe
    from mycelium.transport.quic.engine import Engine

SCHEME: Final = "quic"
BYTES_PER_RUN: Final = 60_000  # of datagrams that are returned together: about one frame


class QuicTransport:
    """The QUIC connections on any number of UDP sockets; see `Transport` for what its methods promise."""

    scheme = SCHEME
    local_endpoints: list[Endpoint] = []  # those of UDP

    def __init__(
        self,
        carriers: Sequence[Carrier],
        *,
        certificate: ServerCertificate | None = None,
        steerings: Sequence[Steering] = (),
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._steerings = steerings
        self._clock = clock
        self._certificate = certificate or ServerCertificate(now=clock())
        self._engine: Engine | None = None  # from the first use on: most nodes need none
        self._pipes: dict[QuicPipe, None] = {}  # oldest first
        self._by_name: dict[Endpoint, QuicPipe] = {}
        self._by_identifier: dict[bytes, QuicPipe] = {}
        self._unproved: dict[QuicPipe, None] = {}  # accepted connections whose address may be forged
        self._strangers = Strangers()
        self._accepted = 0
        self._backlog = Backlog()
        self._arrived: deque[tuple[Received, float]] = deque()  # and when the packets arrived at this host
        self._arrived_bytes = 0
        self._took_at = inf  # when the packets that were taken last had arrived
        self._received_at = inf  # and those of what `receive` has returned last
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._deadline = inf  # not later than that of any connection
        self._sweep_at = inf
        self.due_at = inf
        self.counters = QuicCounters()
        self.unreachable: dict[Endpoint, str] = {}
        self.refused: dict[Endpoint, str] = {}
        self.oversize: dict[Endpoint, int] = {}
        self.is_congested = self.is_drained = False
        self._carriers = Carriers(carriers, self.take, self.counters)

    def fileno(self) -> int:
        return self._event

    def reach(self, endpoint: Endpoint) -> float:
        return self._carriers.reach(below(endpoint)) if endpoint.scheme == SCHEME else 0.0

    @property
    def is_backed_up(self) -> bool:
        return self._backlog.is_waited_for

    def stop_waiting(self) -> None:
        self._backlog.stop_waiting(pipe.queue for pipe in self._pipes)

    def waited_s(self) -> float:
        return max(self._clock() - self._received_at, 0.0)

    def holds_more(self) -> bool:
        return bool(self._arrived)

    def close(self) -> None:
        for pipe in list(self._pipes):
            self._close(pipe)
        self._carriers.close()
        if self._event >= 0:
            os.close(self._event)
            self._event = -1

    # -- receiving -----------------------------------------------------------------------------------------------------

    def receive(self) -> Received | None:
        if not self._arrived:
            return None
        received, self._received_at = self._arrived.popleft()
        self._arrived_bytes -= len(received[0])
        if not self._arrived:
            os.eventfd_read(self._event)
        return received

    def take(self, batch: memoryview, size: int, source: Endpoint, waited_s: float) -> None:
        """Takes packets from a UDP socket, which had waited there for some seconds."""
        now = self._clock()
        self._took_at = now - waited_s
        for destination, packets in runs_of_one_connection(bytes(batch), size):
            pipe = self._by_identifier.get(destination) or self._admit(packets[:size], destination, source, now=now)
            if pipe is None:
                continue
            if not is_same_remote(pipe.below, source):
                self.counters.moved_dropped += 1
                continue
            if not pipe.peer.local:
                self._locate(pipe, source)
            self._run(pipe, lambda pipe=pipe, packets=packets: pipe.receive(packets, size, now=now), now=now)  # type: ignore[misc]

    def _run(self, pipe: "QuicPipe", action: Callable[[], None], *, now: float) -> None:
        """Has a connection do something, and carries out what follows from it."""
        was_open = pipe.is_open
        try:
            action()
        except EOFError:
            self._lose(pipe)
            return
        except DecodeError:
            self.counters.malformed += 1
            self._end(pipe, OTHER_PROTOCOL)
            return
        if pipe.received:
            self._hand_over(pipe)
        if pipe.is_open and not was_open and not self._welcome(pipe):
            return
        fresh = pipe.take_identifiers()
        if fresh:
            self._by_identifier |= dict.fromkeys(fresh, pipe)
            self._expect(pipe)
        if pipe.is_suspended:
            self._sweep_at = self.due_at = 0.0
        self._pump(pipe, now=now)

    def _hand_over(self, pipe: "QuicPipe") -> None:
        for run, size in runs_of_one_size(pipe.received, BYTES_PER_RUN):
            data = b"".join(run)
            if self._arrived_bytes + len(data) > QUIC_UNREAD_BYTES or not size:
                self.counters.receive_dropped += len(run)
                continue
            self.counters.received_datagrams += len(run)
            self.counters.received_bytes += len(data)
            if not self._arrived:
                os.eventfd_write(self._event, 1)
            self._arrived.append(((memoryview(data), size, pipe.names[-1]), self._took_at))
            self._arrived_bytes += len(data)
        pipe.received.clear()

    # -- sending -------------------------------------------------------------------------------------------------------

    def send(
        self,
        endpoint: Endpoint,
        buffers: Sequence[Buffer],
        segment_size: int,
        is_bulk: bool = False,
        traffic_class: int = 0,
    ) -> bool:
        now = self._clock()
        pipe = self._by_name.get(endpoint) or self._find(endpoint, now=now)
        if pipe is None:
            self.counters.send_lost += 1
            return True
        has_room = not is_bulk or self._backlog.has_room(pipe.queue, sum(map(len, buffers)), now=now)
        size = pipe.put(buffers, segment_size, is_bulk=is_bulk) if has_room else 0
        if size:
            self.counters.sent_batches += 1
            self.counters.sent_bytes += size
        else:
            self.counters.send_dropped += 1
        self._pump(pipe, now=now)
        return True

    def _pump(self, pipe: "QuicPipe", *, now: float) -> None:
        """Sends what a connection may send now."""
        try:
            packets = pipe.pump(now=now)
        except DecodeError:  # it takes no DATAGRAM frames, or not of our size
            self.counters.malformed += 1
            self._end(pipe, OTHER_PROTOCOL)
            return
        was_backed_up = self.is_backed_up
        self._backlog.follow(pipe.queue, now=now)
        if was_backed_up and not self.is_backed_up and not self._arrived:
            os.eventfd_write(self._event, 1)  # which tells the owner that it need not wait any longer
        self._deadline = min(self._deadline, pipe.deadline)
        self.due_at = min(self.due_at, pipe.deadline)
        if packets:
            cause = self._carriers.send(pipe.below, packets)
            if cause:
                self._refuse(pipe, cause)

    def _refuse(self, pipe: "QuicPipe", cause: str) -> None:
        """Takes why the system does not send a connection's packets."""
        if not pipe.is_open:
            self.counters.dial_failed += 1
            self._end(pipe, cause)
            return
        for name in pipe.names:
            self._note_unreachable(name, cause)

    def _find(self, endpoint: Endpoint, *, now: float) -> "QuicPipe | None":
        """Returns the connection to the same remote address, dialling it if there is none; None if that is impossible."""
        known = self._by_name.get(endpoint.remote)
        if known is not None:
            return known
        cause = ""
        if endpoint.connection:
            cause = CLOSED
        elif not self._has_engine(now=now):
            cause = causes.NO_LIBRARY
        elif not self._make_room():
            cause = TOO_MANY
        if cause:
            self._note_unreachable(endpoint, cause)
            return None
        assert self._engine is not None
        self.counters.dialled += 1
        peer = endpoint.remote
        return self._add(self._engine.dial(peer, below(peer), now=now), now=now)

    # -- connections begin and end -------------------------------------------------------------------------------------

    def _has_engine(self, *, now: float) -> bool:
        if self._engine is None:
            try:
                from mycelium.transport.quic.engine import Engine  # here, because it takes 200 ms
            except ImportError:  # not every platform has the library
                return False
            self._engine = Engine(self._certificate, self.counters, now=now)
        return True

    def _admit(self, packet: bytes, destination: bytes, source: Endpoint, *, now: float) -> "QuicPipe | None":
        """Returns the connection that a packet of a stranger begins; None if it begins none, or gets another answer."""
        if len(packet) < INITIAL_BYTES or not self._has_engine(now=now):
            self.counters.unknown_dropped += 1
            return None
        assert self._engine is not None
        peer = source._replace(scheme=SCHEME, connection=self._accepted + 1)
        answer = self._engine.judge(packet, peer, source, len(self._unproved), now=now)
        if isinstance(answer, bytes):
            self._carriers.send(source, [answer])
            return None
        if answer is None:
            return None
        if not self._make_room() or (answer.is_admitted and not self._strangers.admit(peer.host)):
            self.counters.refused += 1
            return None
        if not answer.is_admitted:
            self._unproved[answer] = None
        self.counters.accepted += 1
        self._accepted += 1
        answer.identifiers.append(destination)
        return self._add(answer, now=now)

    def _add(self, pipe: "QuicPipe", *, now: float) -> "QuicPipe":
        self._pipes[pipe] = None
        self._sweep_at = min(self._sweep_at, now + SWEEP_S)
        self.due_at = min(self.due_at, self._sweep_at)
        for identifier in pipe.identifiers:
            self._by_identifier[identifier] = pipe
        for name in pipe.names:
            self._by_name[name] = pipe
        self._expect(pipe)
        return pipe

    def _expect(self, changed: "QuicPipe") -> None:
        """Has the kernel know the connections that are not strangers', if one of them has changed."""
        if changed.is_expected:
            expected = [identifier for pipe in self._pipes if pipe.is_expected for identifier in pipe.identifiers]
            for steering in self._steerings:
                steering.expect_quic(expected)

    def _locate(self, pipe: "QuicPipe", source: Endpoint) -> None:
        """Takes which of our own addresses a dialled connection uses."""
        pipe.below = source
        pipe.peer = pipe.peer._replace(local=source.local, local_port=source.local_port)
        pipe.names = (*pipe.names, pipe.peer)
        self._by_name[pipe.peer] = pipe

    def _welcome(self, pipe: "QuicPipe") -> bool:
        """Counts a connection among its host's once it is open, which proves the address; False if there are too many."""
        if pipe not in self._unproved:  # dialled, or counted before
            return True
        del self._unproved[pipe]
        if self._strangers.admit(pipe.peer.host):
            pipe.is_admitted = True
            return True
        self.counters.refused += 1
        self._close(pipe)
        return False

    def _make_room(self) -> bool:
        """Closes the oldest untrusted connection if there are too many; False if all are trusted."""
        if len(self._pipes) < QUIC_CONNECTIONS:
            return True
        pipe = first_untrusted(self._pipes)
        if pipe is None:
            return False
        self.counters.unused += 1
        self._close(pipe)
        return True

    def _lose(self, pipe: "QuicPipe") -> None:
        """Takes that the peer has ended a connection."""
        self.counters.ended += 1
        self._end(pipe, CLOSED)

    def _close(self, pipe: "QuicPipe", cause: str = "") -> None:
        """Ends a connection and tells the peer."""
        self._carriers.send(pipe.below, pipe.close(now=self._clock()))
        self._end(pipe, cause)

    def _end(self, pipe: "QuicPipe", cause: str) -> None:
        """Forgets a connection: its queue is lost, and its endpoints become unreachable."""
        if pipe not in self._pipes:
            return
        del self._pipes[pipe]
        self._unproved.pop(pipe, None)
        self._backlog.forget(pipe.queue)
        if pipe.is_admitted and not pipe.is_trusted:
            self._strangers.forget(pipe.peer.host)
        for identifier in pipe.identifiers:
            if self._by_identifier.get(identifier) is pipe:
                del self._by_identifier[identifier]
        for name in pipe.names:
            if self._by_name.get(name) is pipe:
                del self._by_name[name]
            self._note_unreachable(name, cause)
        self._expect(pipe)

    def _note_unreachable(self, endpoint: Endpoint, cause: str) -> None:
        if len(self.unreachable) < ENDPOINTS_REMEMBERED:
            self.unreachable[endpoint] = cause

    # -- time ----------------------------------------------------------------------------------------------------------

    def handle_timeout(self, in_use: Callable[[], Collection[Endpoint]], *, now: float) -> None:
        """Lets connections do what is due; trusts those of paths, and closes those that have had no path for a while."""
        if now >= self._deadline:
            self._deadline = inf
            for pipe in list(self._pipes):
                if now >= pipe.deadline:
                    self._run(pipe, lambda pipe=pipe: pipe.handle_timeout(now=now), now=now)  # type: ignore[misc]
                    if pipe.is_silent(now=now):
                        self.counters.silent += 1
                        self._end(pipe, causes.SILENT)
                else:
                    self._deadline = min(self._deadline, pipe.deadline)
        if now >= self._sweep_at:
            self._sweep(in_use(), now=now)
        self.due_at = min(self._deadline, self._sweep_at)

    def _sweep(self, endpoints: Collection[Endpoint], *, now: float) -> None:
        for pipe in list(self._pipes):
            if not pipe.is_open:
                if is_overdue(pipe, now=now):
                    self.counters.dial_failed += not pipe.peer.connection
                    self._end(pipe, causes.NOT_OPENED)
            elif has_path(pipe, endpoints):
                pipe.unused_since = now
                self._trust(pipe)
            elif is_unused(pipe, now=now):
                self.counters.unused += 1
                self._close(pipe)
        self._sweep_at = now + SWEEP_S if self._pipes else inf

    def _trust(self, pipe: "QuicPipe") -> None:
        if not pipe.is_trusted:
            pipe.is_trusted = True
            self._expect(pipe)
            if pipe.is_admitted:
                self._strangers.forget(pipe.peer.host)
