"""Rates and waits: a token bucket, and exponential back-off."""

import random
from math import inf


class TokenBucket:
    """Grants `rate` tokens a second on average, and at most `burst` at once (`rate` unless given)."""

    __slots__ = ("_burst", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float, *, burst: float | None = None, now: float) -> None:
        self._rate = rate
        self._burst = self._tokens = rate if burst is None else burst
        self._updated = now

    def take(self, *, now: float) -> bool:
        """Takes one token; returns False if there is none."""
        self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._rate)
        self._updated = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def limit_burst(self, burst: float) -> None:
        """Lowers the number of tokens granted at once."""
        self._burst = min(self._burst, burst)
        self._tokens = min(self._tokens, self._burst)


class Backoff:
    """The waits between attempts: `initial` first, each `factor` times the one before, none above `ceiling`.

    With an `rng`, each wait is drawn uniformly from within the fraction `jitter` around its nominal value. The unit is the
    caller's, usually seconds.
    """

    __slots__ = ("_factor", "_initial", "_jitter", "_rng", "ceiling", "wait")

    def __init__(
        self,
        initial: float,
        *,
        factor: float,
        ceiling: float = inf,
        jitter: float = 0.0,
        rng: random.Random | None = None,
    ) -> None:
        self._initial = initial
        self._factor = factor
        self._jitter = jitter
        self._rng = rng
        self.ceiling = ceiling  # may be changed while attempts go on
        self.wait = initial  # nominal value of the next wait

    def next(self) -> float:
        """Returns the wait before the next attempt, and lengthens the one after it."""
        wait = self.wait
        self.wait = min(wait * self._factor, self.ceiling)
        return wait if self._rng is None else wait * self._rng.uniform(1 - self._jitter, 1 + self._jitter)

    def reset(self) -> None:
        """Starts over from the initial wait."""
        self.wait = self._initial
