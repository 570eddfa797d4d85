"""Counters of the sessions of a node."""

from dataclasses import dataclass

from mycelium.counters import counter, drops


@dataclass(slots=True)
class SessionCounters:
    """Totals since the node started."""

    packets_queue_full: int = drops("Packets dropped while a session was being set up: its queue was full.")
    sessions_refused: int = drops("Session handshake messages dropped: invalid, unexpected or beyond a rate.")
    sessions_repeated: int = counter("Session replies and cookies that came after their request was over.")
    sessions_sent_a_cookie: int = drops("Session requests answered with a cookie: more came than are answered.")
    sessions_deferred: int = drops("Session requests dropped: the announcement of the peer is pending.")
    sessions_denied: int = drops("Session requests from and to peers that the policy excludes.")
