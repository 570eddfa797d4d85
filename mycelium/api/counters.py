"""Counters of the HTTP API."""

from dataclasses import dataclass

from mycelium.counters import counter


@dataclass(slots=True)
class ApiCounters:
    """Totals since the daemon started."""

    streams_refused: int = counter("Streams of changes refused: too many were open.")
    updates_skipped: int = counter("Seconds of streams without an update: their readers were slow.")
