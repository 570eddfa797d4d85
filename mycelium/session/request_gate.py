"""Which session requests are answered, before any public-key operation.

The source of a train is not authentic: whoever makes it up may claim to be any node. So beyond a rate of requests a node asks
for a cookie, which reaches the node that the source names. Who brings it back has a share of its own, and so has each neighbour
that passes such requests on; floods from made-up sources compete with each other only.
"""

import hmac
from enum import Enum, auto

from mycelium.crypto.cookie_secrets import CookieSecrets
from mycelium.crypto.noise import Entropy
from mycelium.limits import (
    HANDSHAKES_PER_SECOND,
    HANDSHAKES_PER_SECOND_WITH_COOKIE,
    NEIGHBOURS,
    SESSION_REQUESTS_AT_ONCE,
    SESSION_REQUESTS_PER_SECOND,
    SESSION_REQUESTS_UNANSWERED,
    SESSIONS,
)
from mycelium.routing.excess import SESSION_REQUESTS, Excesses, NamedRate
from mycelium.timing import TokenBucket, TokenBuckets
from mycelium.wire.train import SESSION_COOKIE_BYTES


class RequestVerdict(Enum):
    """What becomes of a session request."""

    ANSWER = auto()
    ASK_FOR_COOKIE = auto()
    REFUSE = auto()


class RequestGate:
    """Decides about session requests by whom they claim to come from, their cookie, and who passed them on."""

    __slots__ = ("_by_neighbour", "_by_source", "_proven", "_secrets", "_unanswered", "_unproven")

    def __init__(self, entropy: Entropy, excesses: Excesses, *, now: float) -> None:
        self._secrets = CookieSecrets(entropy)
        self._unproven = TokenBucket(HANDSHAKES_PER_SECOND, now=now)
        self._proven = TokenBucket(HANDSHAKES_PER_SECOND_WITH_COOKIE, now=now)
        self._unanswered = NamedRate(
            excesses, SESSION_REQUESTS, HANDSHAKES_PER_SECOND, burst=SESSION_REQUESTS_UNANSWERED, keys=NEIGHBOURS
        )
        self._by_neighbour = TokenBuckets[bytes](HANDSHAKES_PER_SECOND, keys=NEIGHBOURS)
        self._by_source = TokenBuckets[bytes](
            SESSION_REQUESTS_PER_SECOND, burst=SESSION_REQUESTS_AT_ONCE, keys=SESSIONS
        )

    def judge(self, source: bytes, cookie: bytes, *, neighbour: bytes, now: float) -> RequestVerdict:
        """Decides about a request with a cookie, or with none."""
        if cookie and self._is_good(source, cookie, now=now):
            return self._judge_proven(source, neighbour, now=now)
        if self._unproven.take(now=now):
            return RequestVerdict.ANSWER
        self._unanswered.take(neighbour, now=now)
        return RequestVerdict.ASK_FOR_COOKIE

    def cookie_for(self, source: bytes, *, now: float) -> bytes:
        """Returns the cookie to send to a source."""
        return self._secrets.cookie(source, now=now)[:SESSION_COOKIE_BYTES]

    def _is_good(self, source: bytes, cookie: bytes, *, now: float) -> bool:
        good = self._secrets.cookies(source, now=now)
        return any(hmac.compare_digest(cookie, one[:SESSION_COOKIE_BYTES]) for one in good)

    def _judge_proven(self, source: bytes, neighbour: bytes, *, now: float) -> RequestVerdict:
        if not self._by_source.take(source, now=now):
            return RequestVerdict.REFUSE
        if not self._by_neighbour.take(neighbour, now=now):
            self._unanswered.take(neighbour, now=now)
            return RequestVerdict.REFUSE
        return RequestVerdict.ANSWER if self._proven.take(now=now) else RequestVerdict.REFUSE
