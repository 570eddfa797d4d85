"""Rates and waits: token buckets, and exponential back-off."""

import random
from collections import OrderedDict
from collections.abc import Hashable
from math import inf
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class TokenBucket:
    """Grants `rate` tokens a second on average, and at most `burst` at once (`rate` unless given)."""

    __slots__ = ("_burst", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float, *, burst: float | None = None, now: float) -> None:
        self._rate = rate
        self._burst = self._tokens = rate if burst is None else burst
        self._updated = now

    def take(self, *, now: float) -> bool:
        """Takes one token; returns False if there is none."""
        tokens = self._tokens + (now - self._updated) * self._rate
        if tokens > self._burst:  # `min` would cost more than all the rest
            tokens = self._burst
        self._updated = now
        is_granted = tokens >= 1.0
        self._tokens = tokens - 1.0 if is_granted else tokens
        return is_granted

    def limit_burst(self, burst: float) -> None:
        """Lowers the number of tokens granted at once."""
        self._burst = min(self._burst, burst)
        self._tokens = min(self._tokens, self._burst)


class TokenBuckets(Generic[Key]):
    """A token bucket for each of at most `keys` keys; the one used longest ago gives way, and starts full again."""

    __slots__ = ("_by_key", "_keys", "_rate")

    def __init__(self, rate: float, *, keys: int) -> None:
        self._rate = rate
        self._keys = keys
        self._by_key: OrderedDict[Key, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_key)

    def take(self, key: Key, *, now: float) -> bool:
        """Takes one token of a key; returns False if it has none."""
        bucket = self._by_key.get(key)
        if bucket is None:
            if len(self._by_key) >= self._keys:
                self._by_key.popitem(last=False)
            bucket = self._by_key[key] = TokenBucket(self._rate, now=now)
        self._by_key.move_to_end(key)
        return bucket.take(now=now)


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
