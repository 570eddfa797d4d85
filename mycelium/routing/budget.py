"""A rate that a neighbour may use up but not exceed: a token bucket, filled again when it is empty."""


class Budget:
    """Allows `burst` uses at once, `rate` unless given, and `rate` a second from then on."""

    __slots__ = ("_burst", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float, now: float, *, burst: float | None = None) -> None:
        self._rate = rate
        self._burst = self._tokens = rate if burst is None else burst
        self._updated = now

    def lose_burst(self) -> None:
        """Takes back that more may be used at once than in a second."""
        self._burst = self._rate
        self._tokens = min(self._tokens, self._rate)

    def spend(self, now: float) -> bool:
        """Takes one use; False when there is none left."""
        if self._tokens < 1.0:
            self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._rate)
            self._updated = now
            if self._tokens < 1.0:
                return False
        self._tokens -= 1.0
        return True
