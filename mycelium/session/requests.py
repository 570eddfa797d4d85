"""Session requests of ours that are under way: sent again with back-off until they are answered or given up."""

import random
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Final, Protocol

from mycelium.crypto.handshake import AgreedKeys, HandshakeConfig
from mycelium.crypto.session_handshake import SessionInitiator, prologue
from mycelium.errors import HandshakeError
from mycelium.limits import HANDSHAKES_REMEMBERED
from mycelium.routing.resolution import PENDING, LookUp
from mycelium.session.counters import SessionCounters
from mycelium.session.session import Session
from mycelium.timing import Backoff
from mycelium.wire.announcement import EPOCH_SHIFT
from mycelium.wire.statement import Statement
from mycelium.wire.train import SESSION_COOKIE_BYTES, SESSION_REQUEST, handshake_counter, index_and_suites

FIRST_RETRANSMIT_S: Final = 0.25
RETRANSMIT_FACTOR: Final = 2.0
RETRANSMIT_CEILING_S: Final = 1.0
RETRANSMIT_JITTER: Final = 0.1
PATIENCE_S: Final = 6.0
SENT_ALONG_ROUTE: Final = 2  # times that a request is sent over the next hop in use alone; then over others in turn too
RESOLVE_AGAIN_S: Final = 0.1  # while a peer's announcement is pending


class TrainSender(Protocol):
    """Sends `body` as a train of the given type towards a node; returns False if there is no way.

    It goes over the next hop in use for turn 0; greater ones count the other next hops, over and over. `home` is where a node
    without a route said that it is reached.
    """

    def __call__(
        self,
        node: bytes,
        kind: int,
        index: int,
        counter: int,
        body: bytes,
        *,
        turn: int = 0,
        home: bytes = b"",
        now: float,
    ) -> bool: ...


class PendingSession:
    """One request; `initiator` is None while the peer's announcement is pending."""

    __slots__ = (
        "backoff",
        "cookie",
        "give_up",
        "initiator",
        "is_cookie_due",
        "local_index",
        "next_send",
        "sent",
        "session",
    )

    def __init__(self, session: Session, local_index: int, *, backoff: Backoff, now: float) -> None:
        self.session = session
        self.local_index = local_index
        self.initiator: SessionInitiator | None = None
        self.cookie = b""  # that the peer has asked for
        self.sent = 0  # times
        self.is_cookie_due = False  # one that comes is brought back at once, but once for each copy of the request
        self.backoff = backoff
        self.next_send = now
        self.give_up = now + PATIENCE_S


class SessionRequests:
    """All requests under way, by our own index."""

    def __init__(
        self,
        config: HandshakeConfig,
        *,
        rng: random.Random,
        look_up: LookUp,
        send: TrainSender,
        counters: SessionCounters,
        new_index: Callable[[], int],
    ) -> None:
        self._config = config
        self._rng = rng
        self._look_up = look_up
        self._send = send
        self._new_index = new_index
        self._by_index: dict[int, PendingSession] = {}
        self._over: deque[tuple[bytes, int]] = deque(maxlen=HANDSHAKES_REMEMBERED)  # peer and index, newest last
        self.failed: list[Session] = []  # given up while packets waited in them; drained by the owner
        self._counters = counters

    def holds(self, index: int) -> bool:
        """Tells whether a request uses this index."""
        return index in self._by_index

    def is_over(self, peer: bytes, index: int) -> bool:
        """Tells whether a request has lately been answered or given up; a peer that is slow answers each copy of it."""
        return (peer, index) in self._over

    def begin(self, session: Session, *, now: float) -> None:
        """Starts a request for a session that has none under way; gives it up at once if the peer is unknown."""
        backoff = Backoff(
            FIRST_RETRANSMIT_S,
            factor=RETRANSMIT_FACTOR,
            ceiling=RETRANSMIT_CEILING_S,
            jitter=RETRANSMIT_JITTER,
            rng=self._rng,
        )
        request = PendingSession(session, self._new_index(), backoff=backoff, now=now)
        self._by_index[request.local_index] = request
        session.is_requesting = True
        self._send_or_wait(request, now=now)

    def complete(self, peer: bytes, index: int, counter: int, body: bytes) -> tuple[Session, AgreedKeys]:
        """Ends the request that a reply answers; raises HandshakeError for any other reply."""
        request = self._by_index.get(index)
        if request is None or request.initiator is None or request.session.peer != peer:
            raise HandshakeError("reply to no request of ours")
        remote_index, suite = index_and_suites(counter)
        keys = request.initiator.receive_reply(body, suite=suite, remote_index=remote_index)
        self._end(request)
        return request.session, keys

    def take_cookie(self, peer: bytes, index: int, cookie: bytes, *, now: float) -> None:
        """Sends a request again with the cookie that its peer asks for; raises HandshakeError for any other cookie."""
        request = self._by_index.get(index)
        if request is None or request.session.peer != peer or len(cookie) != SESSION_COOKIE_BYTES:
            raise HandshakeError("cookie for no request of ours")
        request.cookie = cookie
        if request.is_cookie_due:
            request.is_cookie_due = False
            self._transmit(request, now=now)

    def drop(self, session: Session) -> None:
        """Ends the request of a session that is forgotten."""
        for request in [one for one in self._by_index.values() if one.session is session]:
            self._end(request)

    def fail(self, session: Session) -> None:
        """Reports a session that cannot be set up, if packets wait in it."""
        if session.queue and session not in self.failed:
            self.failed.append(session)

    def handle_timeout(self, *, now: float) -> None:
        """Sends again what is due, and gives up requests that were not answered in time."""
        for request in list(self._by_index.values()):
            if now >= request.give_up:
                self._give_up(request)
            elif now >= request.next_send:
                self._send_or_wait(request, now=now)

    def next_deadline(self) -> float:
        """Returns when `handle_timeout` is wanted next; infinity for never."""
        if not self._by_index:
            return inf
        return min(min(one.next_send, one.give_up) for one in self._by_index.values())

    def _send_or_wait(self, request: PendingSession, *, now: float) -> None:
        """Sends a request once the peer's announcement is known."""
        if request.initiator is None:
            resolution = self._look_up(request.session.peer, now=now)
            if resolution is PENDING:
                request.next_send = now + RESOLVE_AGAIN_S
                return
            request.initiator = None if resolution is None else self._initiator(resolution, request)
        if request.initiator is None:
            self._give_up(request)
            return
        self._transmit(request, now=now)
        request.is_cookie_due = True
        request.next_send = now + request.backoff.next()

    def _transmit(self, request: PendingSession, *, now: float) -> None:
        assert request.initiator is not None
        counter = handshake_counter(request.local_index, self._config.suites)
        body = request.initiator.request + request.cookie
        request.sent += 1
        self._send(request.session.peer, SESSION_REQUEST, 0, counter, body, now=now)
        if request.sent > SENT_ALONG_ROUTE:
            turn = request.sent - SENT_ALONG_ROUTE
            self._send(request.session.peer, SESSION_REQUEST, 0, counter, body, turn=turn, now=now)

    def _initiator(self, statement: Statement, request: PendingSession) -> SessionInitiator | None:
        """Returns the initiator of a handshake; None if the announced key is unusable."""
        session, index = request.session, request.local_index
        own_address, offered = self._config.identity.address, self._config.suites
        session.peer_epoch = statement.sequence >> EPOCH_SHIFT
        try:
            return SessionInitiator(
                self._config,
                statement.signing_public_key,
                local_index=index,
                prologue=prologue(own_address, session.peer, initiator_index=index, offered=offered),
            )
        except HandshakeError:
            self._counters.sessions_refused += 1
            return None

    def _give_up(self, request: PendingSession) -> None:
        self._end(request)
        self.fail(request.session)

    def _end(self, request: PendingSession) -> None:
        del self._by_index[request.local_index]
        self._over.append((request.session.peer, request.local_index))
        request.session.is_requesting = False
