"""Which sessions carry traffic, told by their counters from one look to the next: the data path notes nothing."""

from math import inf
from typing import Final

from mycelium.limits import SESSIONS
from mycelium.session.session import Session
from mycelium.session.table import Sessions

LEAST_TRAINS: Final = 2  # in two looks: a question and its answer


class Traffic:
    """The trains of each session that were sent and opened since the last look, and since the one before."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._totals: dict[bytes, int] = {}  # by peer
        self._recent: dict[bytes, int] = {}  # trains between the last two looks
        self._looked_at = -inf

    def look(self, *, now: float) -> set[bytes]:
        """Returns the peers with traffic since the look before the last one."""
        before, self._recent = self._recent, {}
        for peer, session in self._sessions.by_peer.items():
            if session.last_used >= self._looked_at:
                total = _trains(session)
                self._recent[peer] = max(total - self._totals.get(peer, 0), 0)
                self._totals[peer] = total
        self._looked_at = now
        if len(self._totals) > 2 * SESSIONS:
            self._totals = {peer: self._totals[peer] for peer in self._sessions.by_peer if peer in self._totals}
        counts = {peer: before.get(peer, 0) + self._recent.get(peer, 0) for peer in (*before, *self._recent)}
        return {peer for peer, count in counts.items() if count >= LEAST_TRAINS}


def _trains(session: Session) -> int:
    """Returns how many trains of users were sent and opened under the keypairs that the session has."""
    all_ = sum(keypair.sealing.counter - 1 + keypair.opening.opened for keypair in session.keypairs)
    return all_ - session.without_packets
