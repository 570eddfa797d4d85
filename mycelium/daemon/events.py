"""The node's journal for its operator: with wall-clock times and addresses as text, in the API and in the log."""

import asyncio
import logging
import time
from ipaddress import IPv6Address
from time import monotonic
from typing import Final

from msgspec import to_builtins

from mycelium.admin import logs
from mycelium.admin.control import EventInfo
from mycelium.admin.event_text import describe
from mycelium.admin.zones import url_of
from mycelium.daemon.sleep import SleepLog, slept_s
from mycelium.endpoint import Endpoint
from mycelium.node.journal import Entry, Journal
from mycelium.node.names import Names

_log = logging.getLogger(__name__)

_OF_THE_LOG: Final = ("sequence", "time")  # what a line of the log has already, or has no use for
TELL_HELD_BACK_S: Final = 30.0  # between looks at what the log has held back

_LEVELS: Final = logging.getLevelNamesMapping()


def event_infos(journal: Journal, after: int, sleeps: SleepLog, names: Names) -> list[EventInfo]:
    """Returns the events with a greater sequence; their times follow the present setting of the wall clock.

    The clock of the journal stands still while the host sleeps. Nodes have the names that they have now.
    """
    clock = time.time() - monotonic() - slept_s()
    return [_info(entry, clock + sleeps.slept_before(entry.sequence), names) for entry in journal.after(after)]


class EventLog:
    """Copies new entries of the journal to the daemon's log, which bounds how much of one kind is written."""

    def __init__(self, journal: Journal, names: Names) -> None:
        self._journal = journal
        self._names = names
        self._written = journal.newest

    def write_new(self) -> None:
        """Writes the entries that are new since the last call."""
        if self._journal.newest == self._written:
            return
        for entry in self._journal.after(self._written):
            level = _LEVELS[entry.kind.level]
            if _log.isEnabledFor(level):
                info = _info(entry, 0.0, self._names)
                about = {"topic": _topic_of(entry), "subject": entry.node or entry.peer, "event": _fields(info)}
                _log.log(level, "%s", describe(info), extra=about)
        self._written = self._journal.newest


async def tell_what_is_held_back() -> None:
    """Has the log tell now and then how much of it was held back; never returns."""
    while True:
        await asyncio.sleep(TELL_HELD_BACK_S)
        logs.tell_held_back()


def _topic_of(entry: Entry) -> tuple[str, str]:
    """Returns what the log bounds together: all that happens to links, for example, as crowds of them come, flap and go."""
    return entry.kind.value.partition("-")[0], entry.kind.level


def _fields(info: EventInfo) -> dict[str, object]:
    """Returns the fields of an event as the API has them, for logs that programs read."""
    fields = {name: value for name, value in to_builtins(info).items() if name not in _OF_THE_LOG}
    return {"event": fields.pop("kind"), **fields}


def _info(entry: Entry, clock: float, names: Names) -> EventInfo:
    now = monotonic()
    nodes = {one for one in (entry.node, entry.before, entry.after) if isinstance(one, bytes)}
    endpoint = _text(entry.endpoint)
    named = {_text(node): name for node in nodes if (name := names.name_of(node, now=now)) is not None}
    return EventInfo(
        sequence=entry.sequence,
        time=round(entry.at + clock, 3),
        kind=entry.kind.value,
        node=_text(entry.node),
        peer=entry.peer,
        endpoint=None if endpoint == (entry.peer or "").partition("#")[0] else endpoint,  # once is enough
        before=_text(entry.before),
        after=_text(entry.after),
        cause=entry.cause,
        silent_s=_rounded(entry.silent_s),
        without_s=_rounded(entry.without_s),
        count=entry.count,
        names={str(address): name for address, name in named.items()},
    )


def _text(value: bytes | Endpoint | None) -> str | None:
    if value is None:
        return None
    return str(IPv6Address(value)) if isinstance(value, bytes) else url_of(value)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
