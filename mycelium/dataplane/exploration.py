"""One search for next hops over which a silent partner answers: along the route, then over several next hops at once."""

from collections.abc import Callable
from typing import Final

from mycelium.wire.reachability import TOKEN_BYTES

TRIES: Final = 3  # probes over each next hop, the first of them along the route alone
LEAST_WAIT_S: Final = 0.5  # for the answers to one try
MOST_WAIT_S: Final = 3.0


class Exploration:
    """The probes to one partner."""

    __slots__ = ("answered", "due_at", "is_urgent", "route", "tokens", "tries", "wait_s")

    def __init__(self, route: bytes, *, is_urgent: bool, wait_s: float, now: float) -> None:
        self.route = route  # the next hop in use, or one that is to be tried again
        self.is_urgent = is_urgent  # the first try goes over several next hops already
        self.wait_s = min(max(wait_s, LEAST_WAIT_S), MOST_WAIT_S)
        self.tries = 0
        self.tokens: dict[bytes, bytes] = {}  # of probes -> the next hop that each went over
        self.answered: dict[bytes, None] = {}  # next hops, the quickest first
        self.due_at = now

    @property
    def is_broad(self) -> bool:
        """Tells whether the next try goes over several next hops."""
        return self.is_urgent or self.tries > 0

    def is_over(self, *, now: float) -> bool:
        """Tells whether the route has answered, or has had its tries."""
        return self.route in self.answered or (self.tries >= TRIES and now >= self.due_at)

    def begin_try(self, *, now: float) -> None:
        """Notes that probes are about to be sent."""
        self.tries += 1
        self.due_at = now + self.wait_s

    def token_for(self, way: bytes, entropy: Callable[[int], bytes]) -> bytes:
        """Returns the token of a probe over a next hop."""
        token = entropy(TOKEN_BYTES)
        self.tokens[token] = way
        return token

    def take(self, token: bytes) -> None:
        """Takes an answer."""
        way = self.tokens.get(token)
        if way is not None:
            self.answered[way] = None
