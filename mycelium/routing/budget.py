"""A rate that a neighbour may use up but not exceed: a token bucket of one second, filled again when it is empty."""


class Budget:
    """Allows `rate` uses a second, and at most twice as many at once."""

    __slots__ = ("_rate", "_tokens", "_updated")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._tokens = rate
        self._updated = now

    def spend(self, now: float) -> bool:
        """Takes one use; False when there is none left."""
        if self._tokens < 1.0:
            self._tokens = min(self._rate, self._tokens + (now - self._updated) * self._rate)
            self._updated = now
            if self._tokens < 1.0:
                return False
        self._tokens -= 1.0
        return True
