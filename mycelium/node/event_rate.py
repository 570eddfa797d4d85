"""How many events of one kind about one neighbour or peer are noted: some at once, then a few a minute. The rest is counted."""

from typing import Final

from mycelium.limits import JOURNAL_EVENTS_AT_ONCE, JOURNAL_EVENTS_PER_MINUTE, JOURNAL_SUBJECTS
from mycelium.node.event_kind import EventKind
from mycelium.timing import TokenBuckets

TELL_S: Final = 60.0  # between the counts of what was left out
_MINUTE_S: Final = 60.0

Subject = bytes | str | None  # a neighbour, the URL of a peer, or neither


class EventRate:
    """Admits events, and counts those that it does not."""

    __slots__ = ("_buckets", "_left_out", "_tell_at")

    def __init__(self, *, now: float) -> None:
        self._buckets: TokenBuckets[tuple[EventKind, Subject]] = TokenBuckets(
            JOURNAL_EVENTS_PER_MINUTE / _MINUTE_S, burst=JOURNAL_EVENTS_AT_ONCE, keys=JOURNAL_SUBJECTS
        )
        self._left_out: dict[Subject, int] = {}
        self._tell_at = now + TELL_S

    def admits(self, kind: EventKind, subject: Subject, *, now: float) -> bool:
        """Tells whether an event may be noted, and counts it if not."""
        if self._buckets.take((kind, subject), now=now):
            return True
        if subject not in self._left_out and len(self._left_out) >= JOURNAL_SUBJECTS:
            subject = None
        self._left_out[subject] = self._left_out.get(subject, 0) + 1
        return False

    def take_left_out(self, *, now: float) -> dict[Subject, int]:
        """Returns, every TELL_S, how many events about whom were left out since the last time."""
        if now < self._tell_at:
            return {}
        self._tell_at = now + TELL_S
        left_out, self._left_out = self._left_out, {}
        return left_out
