"""Counters of the sessions of a node."""

from dataclasses import dataclass

from mycelium.counters import counter


@dataclass(slots=True)
class SessionCounters:
    """Totals since the node started."""

    packets_queue_full: int = counter("Packets dropped while a session was being set up: its queue was full.")
    sessions_refused: int = counter("Session handshake messages dropped: invalid, unexpected or beyond a rate.")
    sessions_deferred: int = counter("Session requests dropped: the announcement of the peer is pending.")
    sessions_denied: int = counter("Session requests from and to peers that the policy excludes.")
