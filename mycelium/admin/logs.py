"""The daemon's log: one line an event on standard error, in one of four formats.

The pure core does not log and nothing logs on the data path; what strangers can trigger goes through `RateLimited`.
"""

import json
import logging
import time
from collections.abc import Callable
from typing import Final

from mycelium.limits import LOG_KEYS

ROOT: Final = "mycelium"
_WARNING_INTERVAL_S: Final = 10.0


def configure(debug: bool = False, log_format: str = "compact", *, silent: bool = False) -> None:
    """Sends the project's log to standard error; `silent` leaves errors only, `debug` adds detail and wins over it."""
    handler = logging.StreamHandler()
    handler.setFormatter(_FORMATTERS[log_format]())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.ERROR if silent else logging.WARNING)
    level = logging.DEBUG if debug else logging.ERROR if silent else logging.INFO
    logging.getLogger(ROOT).setLevel(level)


class RateLimited:
    """Warnings that others can provoke: one a key in an interval, the next of them telling how many were held back.

    `clock` gives monotonic seconds. Beyond LOG_KEYS keys the one that was logged longest ago is forgotten.
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
        """Logs `message % arguments`, unless one of the same key was logged less than an interval ago."""
        now = self._clock()
        logged_at, held_back = self._seen.get(key, (None, 0))
        if logged_at is not None and now - logged_at < self._interval_s:
            self._seen[key] = (logged_at, held_back + 1)
            return
        self._seen.pop(key, None)
        if len(self._seen) >= LOG_KEYS:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = (now, 0)
        if held_back:
            self._logger.warning(message + " (and %d more like it)", *arguments, held_back)
        else:
            self._logger.warning(message, *arguments)


class _Compact(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")


class _Plain(logging.Formatter):
    default_msec_format = "%s.%03d"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")


class _Fields(logging.Formatter):
    """The parts of a record that a machine reads, in the order they are written."""

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
