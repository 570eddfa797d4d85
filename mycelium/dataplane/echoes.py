"""Echoes end to end: those that an operator wants of other nodes, and those that other nodes want of this one.

A request is an item in a train of its own, so it takes the way of packets: session, next hops, hop limit, errors of relays.
"""

from collections.abc import Callable

from msgspec import Struct

from mycelium.dataplane.counters import DataplaneCounters
from mycelium.dataplane.sending import Sending
from mycelium.errors import DecodeError
from mycelium.limits import ECHOES_AT_ONCE, ECHOES_PER_SECOND, ECHOES_UNDER_WAY, HOP_LIMIT, SESSIONS
from mycelium.outbox import EchoAnswered, Outbox
from mycelium.routing.excess import ECHOES, Excesses, NamedRate
from mycelium.session.session import Session
from mycelium.session.table import Sessions
from mycelium.wire.echo import TOKEN_BYTES, Echo, EchoKind, decode_echo, encode_echo
from mycelium.wire.train import ITEM_ECHO


class _EchoRequest(Struct):
    """One request that has no answer yet."""

    node: bytes
    hop_limit: int
    sent_at: float | None = None  # None while the session has no keys
    counter: int = 0  # of the train that it left in
    tag: bytes = b""


class Echoes:
    """The requests of this node, whose answers become events of the outbox, and the answers to those of others."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        sending: Sending,
        outbox: Outbox,
        counters: DataplaneCounters,
        excesses: Excesses,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._sessions = sessions
        self._sending = sending
        self._outbox = outbox
        self._counters = counters
        self._entropy = entropy
        self._asked: dict[bytes, _EchoRequest] = {}
        # by the node that asks
        self._allowed = NamedRate(excesses, ECHOES, ECHOES_PER_SECOND, burst=ECHOES_AT_ONCE, keys=SESSIONS)

    def ask(self, node: bytes, *, hop_limit: int = HOP_LIMIT, now: float) -> bytes:
        """Asks a node for an echo, once there is a session with it; returns the token that the answer will have.

        The oldest request without an answer gives way to one beyond ECHOES_UNDER_WAY.
        """
        token = self._entropy(TOKEN_BYTES)
        self._asked[token] = asked = _EchoRequest(node, hop_limit)
        if len(self._asked) > ECHOES_UNDER_WAY:
            del self._asked[next(iter(self._asked))]
        session = self._sessions.find(node, now=now)
        if session.sending is None:
            self._sessions.request(session, now=now)
        else:
            self._send(session, token, asked, now=now)
        return token

    def forget(self, token: bytes) -> bool:
        """Gives up a request; returns whether it had been sent, which takes a session."""
        asked = self._asked.pop(token, None)
        return asked is not None and asked.sent_at is not None

    def session_ready(self, session: Session, *, now: float) -> None:
        """Sends the requests that waited for a session."""
        for token, asked in self._asked.items():
            if asked.node == session.peer and asked.sent_at is None:
                self._send(session, token, asked, now=now)

    def take(self, session: Session, body: memoryview, *, hop_limit: int, now: float) -> None:
        """Takes an echo from the peer of a session; `hop_limit` is what was left of that of its train."""
        try:
            echo = decode_echo(body)
        except DecodeError:
            self._counters.trains_malformed += 1
            return
        match echo:
            case Echo(EchoKind.REQUEST):
                self._answer(session, echo, hop_limit, now=now)
            case Echo(EchoKind.REPLY):
                asked = self._asked.get(echo.token)
                if asked is not None and asked.node == session.peer:
                    self._answered(echo.token, session.peer, echo.hops, None, now=now)

    def token_of(self, destination: bytes, counter: int, tag: bytes) -> bytes | None:
        """Returns the token of the request that left in a train, None for other trains."""
        for token, asked in self._asked.items():
            if asked.tag == tag and asked.counter == counter and asked.node == destination:
                return token
        return None

    def failed(self, token: bytes, reporter: bytes, code: int, *, now: float) -> None:
        """Takes a relay's word, which the caller has found authentic, that a request went no further."""
        self._answered(token, reporter, 0, code, now=now)

    def _answered(self, token: bytes, by: bytes, hops: int, error: int | None, *, now: float) -> None:
        asked = self._asked.pop(token)
        if asked.sent_at is not None:
            self._outbox.events.append(EchoAnswered(token, by, now - asked.sent_at, hops, error))

    def _answer(self, session: Session, echo: Echo, hop_limit: int, *, now: float) -> None:
        if not self._allowed.take(session.peer, now=now):
            self._counters.echoes_refused += 1
            return
        self._counters.echoes_answered += 1
        crossed = min(max(echo.hops - hop_limit + 1, 1), HOP_LIMIT)
        reply = Echo(EchoKind.REPLY, crossed, echo.token)
        self._sending.send_item(session, ITEM_ECHO, encode_echo(reply), now=now)

    def _send(self, session: Session, token: bytes, asked: _EchoRequest, *, now: float) -> None:
        request = encode_echo(Echo(EchoKind.REQUEST, asked.hop_limit, token))
        if self._sending.send_item(session, ITEM_ECHO, request, hop_limit=asked.hop_limit, now=now):
            asked.sent_at = now
            asked.counter, asked.tag, *_ = session.recent[-1]
