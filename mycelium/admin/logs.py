"""The daemon's log: one line per event on standard error, in one of four formats.

The protocol logic and the data path do not log. `log_flood` bounds what everything else can write.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Final

from mycelium.admin.log_flood import BoundedHandler

ROOT: Final = "mycelium"


def configure(debug: bool = False, log_format: str = "compact", *, silent: bool = False) -> None:
    """Sends the project's log to standard error: errors only if `silent`, with details if `debug`, which wins over `silent`."""
    handler = BoundedHandler()
    handler.setFormatter(_FORMATTERS[log_format]())
    root = logging.getLogger()
    for earlier in root.handlers:
        if isinstance(earlier, BoundedHandler):
            earlier.close()  # tells what it has held back
    root.handlers[:] = [handler]
    root.setLevel(logging.ERROR if silent else logging.WARNING)
    level = logging.DEBUG if debug else logging.ERROR if silent else logging.INFO
    logging.getLogger(ROOT).setLevel(level)


def tell_held_back() -> None:
    """Has the log tell how much of it was held back, once that has ended; to be called every minute or so."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, BoundedHandler):
            handler.tell_held_back()


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
