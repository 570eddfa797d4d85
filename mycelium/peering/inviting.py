"""What a member does with join requests: it hears those of its invitations, and of nobody else.

A genuine request becomes the event `JoinAsked`. Whoever keeps the invitations decides, notes that one is used, and then
calls `answer`. A request that comes again, as its reply may be lost or for another part of the answer, gets a reply at the
same address, a few times.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mycelium.counters import counter, drops
from mycelium.crypto.handshake import HandshakeConfig
from mycelium.crypto.join_handshake import JoinRequest, has_mac, hint_in, hint_of, part_in, read_request
from mycelium.endpoint import Endpoint
from mycelium.errors import HandshakeError
from mycelium.limits import JOIN_REPLIES, JOIN_REQUESTS_AT_ONCE, JOIN_REQUESTS_PER_SECOND, JOIN_REQUESTS_REMEMBERED
from mycelium.outbox import JoinAsked, Outbox
from mycelium.timing import TokenBucket
from mycelium.wire.join import JOIN_REQUEST, JoinAnswer, encode_answer

_EPHEMERAL: Final = slice(12, 44)


@dataclass(slots=True)
class JoinCounters:
    """Totals since the node started."""

    joins_asked: int = counter("Join requests of invited nodes, without repetitions.")
    joins_refused: int = drops("Join requests dropped: of no invitation, not genuine, replayed, or too many.")


class _Asked:
    """A genuine request, and the parts of its answer once there is one."""

    __slots__ = ("endpoint", "parts", "replies", "request")

    def __init__(self, request: JoinRequest, endpoint: Endpoint) -> None:
        self.request = request
        self.endpoint = endpoint
        self.parts: list[bytes] = []
        self.replies = 0  # sent, to all requests for any part


class Inviting:
    """The invitations of one node, by their hints, and the requests that have come for them."""

    def __init__(self, config: HandshakeConfig, outbox: Outbox) -> None:
        self._config = config
        self._outbox = outbox
        self._secrets: dict[bytes, bytes] = {}
        self._asked: dict[bytes, _Asked] = {}  # by ephemeral key, oldest first
        self._rate = TokenBucket(JOIN_REQUESTS_PER_SECOND, burst=JOIN_REQUESTS_AT_ONCE, now=0.0)
        self.counters = JoinCounters()

    def keep(self, secrets: Iterable[bytes]) -> None:
        """Takes the secrets of all invitations that are answered from now on; others are forgotten."""
        self._secrets = {hint_of(secret): secret for secret in secrets}

    def takes(self, endpoint: Endpoint, datagram: memoryview, *, now: float) -> bool:
        """Takes a join request; returns False for a datagram of another type."""
        if datagram[0] != JOIN_REQUEST:
            return False
        self._receive(endpoint, bytes(datagram), now=now)
        return True

    def _receive(self, endpoint: Endpoint, datagram: bytes, *, now: float) -> None:
        secret = self._secrets.get(hint_in(datagram))
        if secret is None or not has_mac(datagram, secret):
            self.counters.joins_refused += 1
            return
        known = self._asked.get(datagram[_EPHEMERAL])
        if known is not None:
            self._answer_again(known, part_in(datagram), endpoint)
        elif part_in(datagram) == 0 and self._rate.take(now=now):
            self._ask(secret, datagram, endpoint)
        else:
            self.counters.joins_refused += 1

    def _ask(self, secret: bytes, datagram: bytes, endpoint: Endpoint) -> None:
        try:
            request = read_request(self._config.identity, secret, datagram, self._config.primitives)
        except HandshakeError:
            self.counters.joins_refused += 1
            return
        self.counters.joins_asked += 1
        if len(self._asked) >= JOIN_REQUESTS_REMEMBERED:
            del self._asked[next(iter(self._asked))]
        self._asked[request.ephemeral] = _Asked(request, endpoint)
        self._outbox.events.append(
            JoinAsked(
                secret, request.ephemeral, request.exchange_key, request.signing_key, request.fingerprint, endpoint
            )
        )

    def answer(self, asked: JoinAsked, answer: JoinAnswer) -> None:
        """Sends the first part of the answer to a request, unless that was forgotten."""
        known = self._asked.get(asked.request)
        if known is not None:
            known.parts = encode_answer(answer)
            self._send(known, 0)

    def _answer_again(self, known: _Asked, part: int, endpoint: Endpoint) -> None:
        if not known.parts:
            return
        is_elsewhere = endpoint.remote != known.endpoint.remote  # replayed
        if is_elsewhere or part >= len(known.parts) or known.replies >= JOIN_REPLIES * len(known.parts):
            self.counters.joins_refused += 1
        else:
            self._send(known, part)

    def _send(self, known: _Asked, part: int) -> None:
        known.replies += 1
        entropy, primitives = self._config.entropy, self._config.primitives
        reply = known.request.reply(part, known.parts[part], entropy=entropy, primitives=primitives)
        self._outbox.transmits.append((known.endpoint, [memoryview(reply)], len(reply), False, 0))
