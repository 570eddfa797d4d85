"""A token bucket: so many a second, as many at once as a second brings."""


class TokenBucket:
    """Grants `rate` tokens a second and at most as many in a burst."""

    __slots__ = ("_rate", "_tokens", "_updated")

    def __init__(self, rate: float, *, now: float) -> None:
        self._rate = rate
        self._tokens = rate
        self._updated = now

    def take(self, *, now: float) -> bool:
        """Takes one token; False where none is left."""
        self._tokens = min(self._rate, self._tokens + (now - self._updated) * self._rate)
        self._updated = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
