"""The addresses of other nodes that this one has learned from neighbours, for links that it may want one day.

Nothing of it is believed before a handshake has proved it. What one neighbour teaches, what all those that chose this node
teach together, and what lies in one network are shares of the table; what is not proved gives way to newer addresses.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from math import inf
from typing import Final

from mycelium.counters import counter
from mycelium.limits import KNOWN_PEERS, KNOWN_PEERS_KEPT, KNOWN_PER_KEY, KNOWN_PER_NETWORK, KNOWN_PER_TEACHER
from mycelium.peer_address import is_of_another_host
from mycelium.subnets import subnets_of
from mycelium.timing import Backoff
from mycelium.wire.known_peer import KnownPeer

FORGET_S: Final = 24 * 3_600.0  # after it was last told or reached
FIRST_RETRY_S: Final = 30.0  # after a dial in vain; many addresses are those of NATs, at which nobody can be dialled
RETRY_FACTOR: Final = 4.0
RETRY_CEILING_S: Final = 6 * 3_600.0
RESTORED: Final = b""  # the teacher of what was kept on disk


class Learned:
    """One learned address, and the networks around it that one owner may have."""

    __slots__ = ("_backoff", "heard_at", "is_proven", "networks", "peer", "retry_at", "teacher")

    def __init__(self, peer: KnownPeer, teacher: bytes, *, now: float) -> None:
        self.peer = peer
        self.teacher = teacher
        self.networks = subnets_of(peer.address.host)
        self.heard_at = now
        self.is_proven = False  # a handshake of ours has reached it
        self.retry_at = -inf
        self._backoff = Backoff(FIRST_RETRY_S, factor=RETRY_FACTOR, ceiling=RETRY_CEILING_S)

    def failed(self, *, now: float) -> None:
        """Takes note that it did not answer, or does not any more; the next dial must wait longer."""
        self.retry_at = now + self._backoff.next()

    def proved(self, *, now: float) -> None:
        """Takes note that its key has answered there."""
        self.is_proven = True
        self.heard_at = now
        self._backoff.reset()


@dataclass(slots=True)
class KnownPeersCounters:
    """Totals since the node started."""

    peers_learned: int = counter("Addresses of other nodes learned from neighbours.")
    peers_not_learned: int = counter("Addresses that neighbours told and that were not kept: unfit, or beyond a share.")


class KnownPeers:
    """What is known, by peer. `changes` grows with whatever is worth keeping on disk."""

    def __init__(self, own_key: bytes) -> None:
        self.by_peer: dict[KnownPeer, Learned] = {}  # the one learned last at the end
        self.changes = 0
        self.counters = KnownPeersCounters()
        self._own_key = own_key

    def learn(self, peers: Iterable[KnownPeer], teacher: bytes, *, now: float) -> None:
        """Takes what a teacher says; those beyond a share are counted and dropped."""
        for peer in peers:
            known = self.by_peer.get(peer)
            if known is not None:
                known.heard_at = now
            elif self._is_fit(peer) and self._make_room(peer, teacher):
                self.by_peer[peer] = Learned(peer, teacher, now=now)
                self.counters.peers_learned += 1
                self.changes += 1
            else:
                self.counters.peers_not_learned += 1

    def proved(self, peer: KnownPeer, *, now: float) -> None:
        """Takes note that the holder of the key has answered at its address."""
        learned = self.by_peer.get(peer)
        if learned is not None:
            self.changes += not learned.is_proven
            learned.proved(now=now)

    def failed(self, peer: KnownPeer, *, now: float) -> None:
        """Takes note that nobody with the key has answered at its address, or does any more."""
        learned = self.by_peer.get(peer)
        if learned is not None:
            learned.failed(now=now)

    def candidates(self, but: Collection[bytes], *, now: float) -> list[Learned]:
        """Returns those that may be dialled now, except the holders of some keys."""
        return [one for one in self.by_peer.values() if now >= one.retry_at and one.peer.key not in but]

    def worth_keeping(self) -> list[KnownPeer]:
        """Returns what to keep on disk: what was proved, then what was heard last."""
        best = sorted(self.by_peer.values(), key=lambda one: (one.is_proven, one.heard_at), reverse=True)
        return [one.peer for one in best[:KNOWN_PEERS_KEPT]]

    def sweep(self, *, now: float) -> None:
        """Forgets what nobody has told of, and nothing has reached, for long."""
        for peer in [peer for peer, one in self.by_peer.items() if now - one.heard_at > FORGET_S]:
            del self.by_peer[peer]
            self.changes += 1

    def _is_fit(self, peer: KnownPeer) -> bool:
        host, port = peer.address
        is_fit = is_of_another_host(host) and not ip_address(host).is_link_local
        return bool(port) and peer.key != self._own_key and is_fit

    def _make_room(self, peer: KnownPeer, teacher: bytes) -> bool:
        """Tells whether an address can be taken; one that is not proved may be forgotten for it."""
        others = self.by_peer.values()
        for level, network in enumerate(subnets_of(peer.address.host)):
            if sum(network in one.networks for one in others) >= KNOWN_PER_NETWORK << level:
                return False
        if sum(one.peer.key == peer.key for one in others) >= KNOWN_PER_KEY:
            return False
        by_teacher = Counter(one.teacher for one in others)
        if by_teacher[teacher] >= KNOWN_PER_TEACHER:
            crowd = teacher
        elif len(self.by_peer) >= KNOWN_PEERS:
            crowd = by_teacher.most_common(1)[0][0]
        else:
            return True
        oldest = next((one for one in others if one.teacher == crowd and not one.is_proven), None)
        if oldest is not None:
            del self.by_peer[oldest.peer]
        return oldest is not None


def may_be_told(host: str, listener: str) -> bool:
    """Tells whether an address is of use to a neighbour that is seen at another: private ones are not told to the world."""
    address = ip_address(host)
    if address.is_loopback or address.is_link_local:
        return False
    return address.is_global or not ip_address(listener).is_global
