"""Rates, waits and deadlines: token buckets, exponential back-off, and the earliest of many deadlines."""

import random
from collections import OrderedDict
from collections.abc import Callable, Hashable
from heapq import heapify, heappop, heappush
from math import inf
from typing import Final, Generic, TypeVar

from mycelium.limits import SharedRate

# Entries of the heap of deadlines that were replaced are dropped when there are more than these of all.
REPLACED_SHARE: Final = 2  # entries for each deadline that is set
LEAST_REPLACED: Final = 64

SILENCE_S: Final = 0.001  # far longer than a flood takes for its next packet
# Seconds, where it is not known whether anything waited: more than a round of the event loop, which does other work.
UNSEEN_SILENCE_S: Final = 0.5

Key = TypeVar("Key", bound=Hashable)
Reason = TypeVar("Reason", bound=Hashable)
Value = TypeVar("Value")


class TokenBucket:
    """Grants `rate` tokens a second on average, and at most `burst` at once (`rate` unless given)."""

    __slots__ = ("_burst", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float, *, burst: float | None = None, now: float) -> None:
        self._rate = rate
        self._burst = self._tokens = rate if burst is None else burst
        self._updated = now

    def take(self, tokens_wanted: float = 1.0, *, kept: float = 0.0, now: float) -> bool:
        """Takes some tokens; returns False, and takes none, if there would be fewer than `kept` left."""
        tokens = self._tokens + (now - self._updated) * self._rate
        if tokens > self._burst:  # `min` would cost more than all the rest
            tokens = self._burst
        self._updated = now
        is_granted = tokens >= tokens_wanted + kept
        self._tokens = tokens - tokens_wanted if is_granted else tokens
        return is_granted

    def tokens(self, *, now: float) -> float:
        """Returns how many could be taken now."""
        return min(self._tokens + (now - self._updated) * self._rate, self._burst)

    def limit_burst(self, burst: float) -> None:
        """Lowers the number of tokens granted at once, those that are there already included."""
        self._burst = min(self._burst, burst)


class LastUsed(Generic[Key, Value]):
    """What `make` made, from the time, for each of at most `keys` keys; the one used longest ago gives way."""

    __slots__ = ("_by_key", "_keys", "_make")

    def __init__(self, make: Callable[[float], Value], *, keys: int) -> None:
        self._make = make
        self._keys = keys
        self._by_key: OrderedDict[Key, Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_key)

    def of(self, key: Key, *, now: float) -> Value:
        """Returns what belongs to a key, made anew if it is not remembered."""
        value = self._by_key.get(key)
        if value is None:
            if len(self._by_key) >= self._keys:
                self._by_key.popitem(last=False)
            value = self._by_key[key] = self._make(now)
        self._by_key.move_to_end(key)
        return value


class TokenBuckets(LastUsed[Key, TokenBucket]):
    """A token bucket for each of at most `keys` keys; the one used longest ago gives way, and starts full again."""

    __slots__ = ()

    def __init__(self, rate: float, *, keys: int, burst: float | None = None) -> None:
        super().__init__(lambda now: TokenBucket(rate, burst=burst, now=now), keys=keys)

    def take(self, key: Key, *, now: float) -> bool:
        """Takes one token of a key; returns False if it has none."""
        return self.of(key, now=now).take(now=now)


class SharedBucket(Generic[Key]):
    """A token bucket that many share: half of what it holds is kept for whoever has taken little.

    Each key may take the little of the rate of all there is; beyond that, only of the other half.
    So those who take much, however many they are, leave something to everybody else.
    """

    __slots__ = ("_all", "_kept", "_little")

    def __init__(self, rate: SharedRate, *, keys: int, now: float) -> None:
        self._all = TokenBucket(rate.per_second, burst=rate.at_once, now=now)
        self._kept = rate.at_once / 2
        self._little = TokenBuckets[Key](rate.little_per_second, burst=rate.little_at_once, keys=keys)

    def take(self, key: Key, tokens_wanted: float = 1.0, *, now: float) -> bool:
        """Takes some tokens for a key; returns False, and takes none, if there are too few."""
        takes_little = self._little.of(key, now=now).take(tokens_wanted, now=now)
        return self._all.take(tokens_wanted, kept=0.0 if takes_little else self._kept, now=now)

    def takes_little(self, key: Key, *, now: float) -> bool:
        """Tells whether a key has wanted no more lately than what is its own."""
        return self._little.of(key, now=now).tokens(now=now) >= 1


class Silence:
    """Tells which packets come after a silence on a descriptor, and so are handed on before more are looked for.

    Mostly none came with such a packet, and `is_over` tells that none is looked for afterwards either. Where none was after the
    last packet and the next read is late, a silence may be the reason, or other work while much waits: then more are looked
    for, or a flood would be read one packet in each round of the event loop.
    """

    __slots__ = ("_read_at", "is_over")

    def __init__(self) -> None:
        self._read_at = 0.0  # when the descriptor was read last
        self.is_over = False

    def ends(self, *, is_drained: bool, now: float) -> bool:
        """Notes a read, and tells whether it ends a silence; `is_drained` if the one before left nothing, as far as it saw."""
        silent_s, self._read_at = now - self._read_at, now
        has_ended = is_drained and silent_s > SILENCE_S
        self.is_over = has_ended and (not self.is_over or silent_s > UNSEEN_SILENCE_S)
        return has_ended


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


class Deadlines(Generic[Reason]):
    """The earliest of many deadlines, one for each reason, in a heap.

    A reason whose deadline has moved later is not moved: it comes up too early, and is set again then. So a deadline that moves
    with every packet costs no more than a comparison.
    """

    __slots__ = ("_heap", "_pushed", "_set")

    def __init__(self) -> None:
        self._set: dict[Reason, float] = {}
        self._heap: list[tuple[float, int, Reason]] = []  # with entries that were replaced by earlier ones
        self._pushed = 0  # orders reasons of one deadline

    def set(self, reason: Reason, when: float) -> None:
        """Has `take_due` return a reason at `when`, or earlier if an earlier deadline is set; infinity sets nothing."""
        if when < self._set.get(reason, inf):
            self._set[reason] = when
            self._pushed += 1
            heappush(self._heap, (when, self._pushed, reason))
            if len(self._heap) > REPLACED_SHARE * len(self._set) + LEAST_REPLACED:
                self._heap = [entry for entry in self._heap if self._set.get(entry[2]) == entry[0]]
                heapify(self._heap)

    def drop(self, reason: Reason) -> None:
        """Sets nothing for a reason any more."""
        self._set.pop(reason, None)

    def next(self) -> float:
        """Returns the earliest deadline; infinity for none."""
        heap = self._heap
        while heap:
            when, _, reason = heap[0]
            if self._set.get(reason) == when:
                return when
            heappop(heap)
        return inf

    def take_due(self, *, now: float) -> list[Reason]:
        """Returns the reasons whose deadlines have come, earliest first, each once; they are not set any more."""
        due: list[Reason] = []
        while self.next() <= now:
            reason = heappop(self._heap)[2]
            del self._set[reason]
            due.append(reason)
        return due
