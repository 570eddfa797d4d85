"""Errors sent to the source of a train that a relay cannot forward or its destination cannot deliver: signing and checking.

A source believes one only if it quotes index, counter and tag of a recent train, which nobody off the path has seen. It then
tells the application, and sends no more by the waypoint or home by which the train has found no route, if there is another.
"""

from typing import Protocol

from mycelium.dataplane.counters import DataplaneCounters
from mycelium.dataplane.echoes import Echoes
from mycelium.dataplane.local_errors import LocalErrors
from mycelium.dataplane.unsealed import NOT_SEEN
from mycelium.errors import IdentityError
from mycelium.identity import SIGNATURE_BYTES, Identity, address_of_signing_key
from mycelium.limits import (
    LIES_AT_ONCE,
    LIES_PER_SECOND,
    LOST_TRAINS_AT_ONCE,
    LOST_TRAINS_PER_SECOND,
    NEIGHBOURS,
    RELAY_ERRORS_OF_ALL,
    RELAY_ERRORS_PER_SECOND,
)
from mycelium.packet.batch import Delivery
from mycelium.packet.ipv6 import ADDRESS_UNREACHABLE, HOP_LIMIT_EXCEEDED, NO_ROUTE
from mycelium.routing.excess import LIES, LOST, Excesses, NamedRate
from mycelium.session.requests import TrainSender
from mycelium.session.session import Session
from mycelium.session.table import Sessions
from mycelium.timing import SharedBucket, TokenBucket
from mycelium.wire.train import (
    DATA,
    ERROR,
    ERROR_BODY_BYTES,
    ERROR_HOP_LIMIT,
    ERROR_LABEL,
    ERROR_NO_ROUTE,
    ERROR_QUOTE,
    ERROR_SIGNED_BYTES,
    ERROR_UNDELIVERABLE,
    QUOTED_TAG_BYTES,
    RELAY,
    TRAIN_HEADER,
    TRAIN_HEADER_BYTES,
    UNSEALED,
    WRAPPER_BYTES,
    home_in,
)

_KIND = 2  # where the kind of a train is
_ICMP_KINDS = {
    ERROR_NO_ROUTE: NO_ROUTE,
    ERROR_UNDELIVERABLE: ADDRESS_UNREACHABLE,
    ERROR_HOP_LIMIT: HOP_LIMIT_EXCEEDED,
}


class LeaveWaypoint(Protocol):
    """Notes that a train of a session has found no route by a waypoint or home."""

    def __call__(self, session: Session, waypoint: bytes, *, now: float) -> None: ...


class RelayErrors:
    """Reports errors as a relay or destination, and passes errors on to applications as a source."""

    def __init__(
        self,
        identity: Identity,
        *,
        sessions: Sessions,
        errors: LocalErrors,
        echoes: Echoes,
        counters: DataplaneCounters,
        excesses: Excesses,
        send: TrainSender,
        leave: LeaveWaypoint,
        now: float,
    ) -> None:
        self._identity = identity
        self._sessions = sessions
        self._errors = errors
        self._echoes = echoes
        self._send = send
        self._leave = leave
        self._signing = SharedBucket[bytes](RELAY_ERRORS_OF_ALL, keys=NEIGHBOURS, now=now)
        self._lost = NamedRate(excesses, LOST, LOST_TRAINS_PER_SECOND, burst=LOST_TRAINS_AT_ONCE, keys=NEIGHBOURS)
        self._lies = NamedRate(excesses, LIES, LIES_PER_SECOND, burst=LIES_AT_ONCE, keys=NEIGHBOURS)
        self._checking = TokenBucket(RELAY_ERRORS_PER_SECOND, now=now)
        self._counters = counters

    def report(self, code: int, train: memoryview, *, neighbour: bytes, now: float) -> None:
        """Tells the source of a data train, which a neighbour sent, why it was dropped. Other trains draw no error."""
        self._lost.take(neighbour, now=now)
        home = b""
        if train[_KIND] == RELAY:
            home, train = home_in(train), train[WRAPPER_BYTES:]
            if len(train) < TRAIN_HEADER_BYTES:
                return
        _, _, kind, _, _, index, counter, destination, source = TRAIN_HEADER.unpack_from(train)
        if (
            kind not in (DATA, UNSEALED)
            or source == self._identity.address
            or not self._signing.take(neighbour, now=now)
        ):
            return
        # The last bytes of an unsealed train are those of a packet, and the error may go over relays.
        tag = bytes(QUOTED_TAG_BYTES) if kind == UNSEALED else bytes(train[-QUOTED_TAG_BYTES:])
        quote = ERROR_QUOTE.pack(code, index, counter, destination, tag)
        body = quote + self._identity.signing_public_key
        body += self._identity.sign(ERROR_LABEL + source + body)
        if self._send(source, ERROR, 0, 0, body, home=home, now=now):
            self._counters.relay_errors_sent += 1

    def refuse_deliveries(self, train: memoryview, deliveries: list[Delivery], *, neighbour: bytes, now: float) -> None:
        """Tells the source of a train that its packets can't be delivered, and drops them."""
        self._counters.packets_delivered -= len(deliveries)
        self._counters.packets_undeliverable += len(deliveries)
        deliveries.clear()
        self.report(ERROR_UNDELIVERABLE, train, neighbour=neighbour, now=now)

    def receive(self, reporter: bytes, body: memoryview, *, neighbour: bytes, now: float) -> None:
        """Passes an authentic error about a recent train of this node on: to the application, as ICMPv6, or to who asked."""
        echo = self._quoted_echo(body)
        quote = self._quoted_packet(body, reporter) if echo is None else echo
        if quote is not None and not self._checking.take(now=now):
            self._counters.relay_errors_refused += 1  # and perhaps true: in an outage honest relays send more
            return
        if quote is None or not self._is_authentic(reporter, bytes(body)):
            self._counters.relay_errors_refused += 1
            self._lies.take(neighbour, now=now)
            return
        if body[0] == ERROR_NO_ROUTE:
            self._leave_waypoint(body, now=now)
        if echo is not None:
            self._echoes.failed(echo, reporter, body[0], now=now)
        else:
            self._errors.report(_ICMP_KINDS[body[0]], memoryview(quote), now=now, reporter=reporter)

    def _leave_waypoint(self, body: memoryview, *, now: float) -> None:
        """Leaves the waypoint or home by which the train has gone that an error is about."""
        _, _, counter, destination, tag = ERROR_QUOTE.unpack_from(body)
        session = self._sessions.by_peer.get(destination)
        if session is None:
            return
        for sent, own_tag, _, waypoint in session.recent:
            if (sent, own_tag) == (counter, tag) and waypoint:
                self._leave(session, waypoint, now=now)

    def _quoted_echo(self, body: memoryview) -> bytes | None:
        """Returns the token of the request for an echo that an error is about; None for another train."""
        if len(body) != ERROR_BODY_BYTES:
            return None
        code, _, counter, destination, tag = ERROR_QUOTE.unpack_from(body)
        return self._echoes.token_of(destination, counter, tag) if code in _ICMP_KINDS else None

    def _quoted_packet(self, body: memoryview, reporter: bytes) -> bytes | None:
        """Returns the first bytes of the packet that an error is about; None if it quotes no recent train."""
        if len(body) != ERROR_BODY_BYTES:
            return None
        code, index, counter, destination, tag = ERROR_QUOTE.unpack_from(body)
        session = self._sessions.by_peer.get(destination)
        if session is None or code not in _ICMP_KINDS or all(keys.remote_index != index for keys in session.keypairs):
            return None
        seen = (tag, NOT_SEEN) if reporter == destination else (tag,)
        return next((quote for sent, own_tag, quote, _ in session.recent if sent == counter and own_tag in seen), None)

    def _is_authentic(self, reporter: bytes, body: bytes) -> bool:
        key = body[ERROR_QUOTE.size : ERROR_SIGNED_BYTES]
        try:
            if address_of_signing_key(key) != reporter:
                return False
        except IdentityError:
            return False
        signed = ERROR_LABEL + self._identity.address + body[:ERROR_SIGNED_BYTES]
        return self._identity.verify(key, signed, body[-SIGNATURE_BYTES:])
