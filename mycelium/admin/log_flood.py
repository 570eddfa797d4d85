"""A bound on what the log can grow by: whatever a packet, a peer or a dying device triggers writes a few lines a minute.

The rest is counted. All that one statement of the program logs is one topic, and what it is about, its first argument, a
subject. A caller may name both, as where several share a topic: `log.info(..., extra={"topic": ..., "subject": ...})`.
"""

import copy
import logging
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, TextIO

from mycelium.admin.log_stream import LogStream
from mycelium.limits import (
    LOG_KEYS,
    LOG_LINES_AT_ONCE,
    LOG_LINES_OF_SUBJECT_AT_ONCE,
    LOG_LINES_OF_SUBJECT_PER_MINUTE,
    LOG_LINES_PER_MINUTE,
    LOG_TRACEBACKS_AT_ONCE,
    LOG_TRACEBACKS_PER_MINUTE,
)
from mycelium.quantity import quantity
from mycelium.timing import TokenBucket, TokenBuckets

QUIET_S: Final = 60.0  # after so long without a line to hold back, the number of those is told
_MINUTE_S: Final = 60.0
_SUBJECT_CHARACTERS: Final = 100


class _Topic:
    """What may be written of one topic, and what was held back: how many, the newest, and when that came."""

    __slots__ = ("bucket", "held", "held_at", "newest")

    def __init__(self, bucket: TokenBucket) -> None:
        self.bucket = bucket
        self.held = 0
        self.held_at = 0.0
        self.newest: logging.LogRecord | None = None


class BoundedHandler(logging.StreamHandler[LogStream | TextIO]):
    """Writes to standard error. `clock` returns monotonic seconds; the topic used longest ago is forgotten first."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(LogStream())
        self._clock = clock
        self._topics: OrderedDict[Hashable, _Topic] = OrderedDict()
        self._subjects: TokenBuckets[Hashable] = TokenBuckets(
            LOG_LINES_OF_SUBJECT_PER_MINUTE / _MINUTE_S, burst=LOG_LINES_OF_SUBJECT_AT_ONCE, keys=LOG_KEYS
        )
        self._unwritten = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record, with the number of those of its topic that were held back before, or holds it back."""
        now = self._clock()
        key = _topic_of(record)
        topic = self._topic(key, has_traceback=bool(record.exc_info), now=now)
        if self._subjects.take((key, _subject_of(record)), now=now) and topic.bucket.take(now=now):
            self._write(record, topic.held)
            topic.held, topic.newest = 0, None
        else:
            topic.held += 1
            topic.held_at = now
            topic.newest = copy.copy(record)
            topic.newest.exc_info = None  # the traceback would keep whole stack frames alive

    def tell_held_back(self) -> None:
        """Writes the newest record held back of each topic that has been quiet for long, with the number of the others."""
        now = self._clock()
        for topic in self._topics.values():
            if topic.newest is not None and now - topic.held_at >= QUIET_S:
                self._tell(topic)

    def close(self) -> None:
        """Tells what was held back and not told yet."""
        for topic in self._topics.values():
            self._tell(topic)
        super().close()

    def handleError(self, record: logging.LogRecord) -> None:
        """Counts what could not be written, as on a full disk or where nobody reads."""
        if isinstance(sys.exc_info()[1], OSError):
            self._unwritten += 1
        else:
            super().handleError(record)

    def _tell(self, topic: _Topic) -> None:
        if topic.newest is not None:
            self._write(topic.newest, topic.held - 1)
            topic.held, topic.newest = 0, None

    def _topic(self, key: Hashable, *, has_traceback: bool, now: float) -> _Topic:
        topic = self._topics.get(key)
        if topic is None:
            per_minute = LOG_TRACEBACKS_PER_MINUTE if has_traceback else LOG_LINES_PER_MINUTE
            burst = LOG_TRACEBACKS_AT_ONCE if has_traceback else LOG_LINES_AT_ONCE
            topic = self._topics[key] = _Topic(TokenBucket(per_minute / _MINUTE_S, burst=burst, now=now))
            if len(self._topics) > LOG_KEYS:
                self._tell(self._topics.popitem(last=False)[1])
        self._topics.move_to_end(key)
        return topic

    def _write(self, record: logging.LogRecord, more: int) -> None:
        notes = [f"and {more:,} more like it"] if more else []
        unwritten = self._unwritten
        if unwritten:
            notes.append(f"{quantity(unwritten, 'line')} could not be written")
        if notes:
            record = copy.copy(record)
            record.msg, record.args = f"{record.getMessage()} ({', '.join(notes)})", None
        super().emit(record)
        if self._unwritten == unwritten:
            self._unwritten = 0


def _topic_of(record: logging.LogRecord) -> Hashable:
    """Returns the topic that the caller named, or where the record and its exception come from."""
    trace = record.exc_info[2] if record.exc_info else None
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    origin = (trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace is not None else ()
    return getattr(record, "topic", None) or (record.pathname, record.lineno, origin)


def _subject_of(record: logging.LogRecord) -> str:
    first = record.args[0] if isinstance(record.args, tuple) and record.args else ""
    return str(getattr(record, "subject", None) or first)[:_SUBJECT_CHARACTERS]
