"""The daemon's log: one line per event on standard error, in one of five formats.

The protocol logic and the data path do not log. `log_flood` bounds what everything else can write.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from mycelium.admin.log_flood import BoundedHandler
from mycelium.admin.log_stream import STANDARD_ERROR

ROOT: Final = "mycelium"
_LISTED: Final = 8  # things of one kind that a line names


def configure(debug: bool = False, log_format: str = "compact", *, silent: bool = False) -> None:
    """Sends the project's log to standard error: errors only if `silent`, with details if `debug`, which wins over `silent`."""
    handler = BoundedHandler()
    is_for_people = log_format == "compact"
    handler.setFormatter(_FORMATTERS["journald" if is_for_people and _is_read_by_journal() else log_format]())
    root = logging.getLogger()
    for earlier in root.handlers:
        if isinstance(earlier, BoundedHandler):
            earlier.close()  # tells what it has held back
    root.handlers[:] = [handler]
    root.setLevel(logging.ERROR if silent else logging.WARNING)
    level = logging.DEBUG if debug else logging.ERROR if silent else logging.INFO
    logging.getLogger(ROOT).setLevel(level)


def listed(names: Sequence[str]) -> str:
    """Returns the first few of some names, as one line has them, and how many more there are."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def tell_held_back() -> None:
    """Has the log tell how much of it was held back, once that has ended; to be called every minute or so."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, BoundedHandler):
            handler.tell_held_back()


def _is_read_by_journal() -> bool:
    """Tells whether standard error leads to the systemd journal, as systemd.exec(5) has it."""
    status = os.fstat(STANDARD_ERROR)
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class _Compact(logging.Formatter):
    """A person who watches knows the date; a file that is read later needs it."""

    def __init__(self) -> None:
        dates = "%H:%M:%S" if sys.stderr.isatty() else "%Y-%m-%d %H:%M:%S"
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", dates)


class _Plain(logging.Formatter):
    default_msec_format = "%s.%03d"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")


class _Journald(logging.Formatter):
    """For the systemd journal: each line says how important it is, as sd-daemon(3) has it; the journal knows the time."""

    def format(self, record: logging.LogRecord) -> str:
        priority = _PRIORITIES.get(record.levelno, _PRIORITIES[logging.ERROR])
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


class _Fields(logging.Formatter):
    """The fields of a record in machine-readable formats, in order; what is told of an event has those of the event too."""

    def fields(self, record: logging.LogRecord) -> dict[str, object]:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, object] = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "target": record.name,
            "message": record.getMessage(),
        }
        fields |= getattr(record, "event", {})
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return fields


class _Logfmt(_Fields):
    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{key}={_quoted(str(value))}" for key, value in self.fields(record).items())


class _Json(_Fields):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.fields(record))


def _quoted(value: str) -> str:
    plain = value.isascii() and value.isprintable() and not set(value) & set(' ="\\')
    return value if plain and value else json.dumps(value)


_PRIORITIES: Final = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}
_FORMATTERS: Final[dict[str, Callable[[], logging.Formatter]]] = {
    "compact": _Compact,
    "logfmt": _Logfmt,
    "plain": _Plain,
    "json": _Json,
    "journald": _Journald,
}
