"""The daemon's log: one line per event on standard error, in one of four formats.

The protocol logic and the data path do not log. Warnings that strangers can trigger go through `RateLimited`.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Final

from mycelium.limits import LOG_KEYS

ROOT: Final = "mycelium"
_WARNING_INTERVAL_S: Final = 10.0


def configure(debug: bool = False, log_format: str = "compact", *, silent: bool = False) -> None:
    """Sends the project's log to standard error: errors only if `silent`, with details if `debug`, which wins over `silent`."""
    handler = logging.StreamHandler()
    handler.setFormatter(_FORMATTERS[log_format]())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.ERROR if silent else logging.WARNING)
    level = logging.DEBUG if debug else logging.ERROR if silent else logging.INFO
    logging.getLogger(ROOT).setLevel(level)


class RateLimited:
    """Warnings that peers can trigger: at most one per key and interval. The next one says how many were suppressed.

    `clock` returns monotonic seconds. Of more than LOG_KEYS keys, the one logged longest ago is forgotten.
    """

    __slots__ = ("_clock", "_interval_s", "_logger", "_seen")

    def __init__(
        self,
        logger: logging.Logger,
        *,
        interval_s: float = _WARNING_INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._interval_s = interval_s
        self._clock = clock
        self._seen: dict[str, tuple[float, int]] = {}

    def warning(self, key: str, message: str, *arguments: object) -> None:
        """Logs `message % arguments`, unless the same key was logged less than an interval ago."""
        now = self._clock()
        logged_at, suppressed = self._seen.get(key, (None, 0))
        if logged_at is not None and now - logged_at < self._interval_s:
            self._seen[key] = (logged_at, suppressed + 1)
            return
        self._seen.pop(key, None)
        if len(self._seen) >= LOG_KEYS:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = (now, 0)
        if suppressed:
            self._logger.warning(message + " (and %d more)", *arguments, suppressed)
        else:
            self._logger.warning(message, *arguments)


class _Compact(logging.Formatter):
    """A person who watches knows the date, and the systemd journal adds it; a file that is read later needs it."""

    def __init__(self) -> None:
        is_dated = sys.stderr.isatty() or "JOURNAL_STREAM" in os.environ
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S" if is_dated else "%Y-%m-%d %H:%M:%S")


class _Plain(logging.Formatter):
    default_msec_format = "%s.%03d"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")


class _Fields(logging.Formatter):
    """The fields of a record in machine-readable formats, in order."""

    def fields(self, record: logging.LogRecord) -> dict[str, str]:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "target": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return fields


class _Logfmt(_Fields):
    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{key}={_quoted(value)}" for key, value in self.fields(record).items())


class _Json(_Fields):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.fields(record))


def _quoted(value: str) -> str:
    plain = value.isascii() and value.isprintable() and not set(value) & set(' ="\\')
    return value if plain and value else json.dumps(value)


_FORMATTERS: Final[dict[str, Callable[[], logging.Formatter]]] = {
    "compact": _Compact,
    "logfmt": _Logfmt,
    "plain": _Plain,
    "json": _Json,
}
