"""The node's journal for its operator: with wall-clock times and addresses as text, in the API and in the log."""

import logging
import time
from ipaddress import IPv6Address
from time import monotonic
from typing import Final

from mycelium.admin.control import EventInfo
from mycelium.admin.event_text import describe
from mycelium.admin.zones import url_of
from mycelium.daemon.sleep import SleepLog, slept_s
from mycelium.endpoint import Endpoint
from mycelium.node.journal import Entry, Journal

_log = logging.getLogger(__name__)

_LEVELS: Final = logging.getLevelNamesMapping()


def event_infos(journal: Journal, after: int, sleeps: SleepLog) -> list[EventInfo]:
    """Returns the events with a greater sequence; their times follow the present setting of the wall clock.

    The clock of the journal stands still while the host sleeps.
    """
    clock = time.time() - monotonic() - slept_s()
    return [_info(entry, clock + sleeps.slept_before(entry.sequence)) for entry in journal.after(after)]


class EventLog:
    """Copies new entries of the journal to the daemon's log, which bounds how much of one kind is written."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._written = journal.newest

    def write_new(self) -> None:
        """Writes the entries that are new since the last call."""
        if self._journal.newest == self._written:
            return
        for entry in self._journal.after(self._written):
            level = _LEVELS[entry.kind.level]
            if _log.isEnabledFor(level):
                about = {"topic": entry.kind.value, "subject": entry.node or entry.peer}
                _log.log(level, "%s", describe(_info(entry, 0.0)), extra=about)
        self._written = self._journal.newest


def _info(entry: Entry, clock: float) -> EventInfo:
    return EventInfo(
        sequence=entry.sequence,
        time=round(entry.at + clock, 3),
        kind=entry.kind.value,
        node=_text(entry.node),
        peer=entry.peer,
        endpoint=_text(entry.endpoint),
        before=_text(entry.before),
        after=_text(entry.after),
        cause=entry.cause,
        silent_s=_rounded(entry.silent_s),
        without_s=_rounded(entry.without_s),
        count=entry.count,
    )


def _text(value: bytes | Endpoint | None) -> str | None:
    if value is None:
        return None
    return str(IPv6Address(value)) if isinstance(value, bytes) else url_of(value)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
