"""Counters of the sessions of a node."""

from dataclasses import dataclass

from mycelium.channel.key_proofs import KeyProofCounters
from mycelium.counters import counter, drops


@dataclass(slots=True)
class SessionCounters(KeyProofCounters):
    """Totals since the node started."""

    packets_queue_full: int = drops("Packets dropped while a session was being set up: its queue was full.")
    packets_forgotten: int = drops("Packets dropped while a session was being set up: it gave way to another one.")
    sessions_refused: int = drops("Session handshake messages dropped: invalid, unexpected or beyond a rate.")
    sessions_repeated: int = counter("Session replies and cookies that came after their request was over.")
    sessions_sent_a_cookie: int = drops("Session requests answered with a cookie: more came than are answered.")
    sessions_deferred: int = drops("Session requests dropped: the announcement of the peer is pending.")
    sessions_denied: int = drops("Session requests from and to peers that the policy excludes.")
    sessions_unproved: int = drops(
        "Keys of sessions dropped: the peer has not proved what its pin or certificate names."
    )
    trains_unproved: int = drops("Trains dropped: under keys for which their sender has not proved its ML-DSA key.")
    proof_trains_refused: int = drops("Trains about proofs of keys dropped: not authentic, or unreadable.")
