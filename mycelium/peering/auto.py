"""Automatic peers: links with nodes that the mesh has told of, as many as the operator wants, besides the peer list.

For every second of them several candidates are dialled at once and the one that answers first, so with the shortest round trip,
is kept; the others are drawn by lot, since who is near may be one and the same person. Candidates of networks that no
automatic link leads to come first, and those of one teacher after another.
"""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Final

from msgspec import Struct

from mycelium.counters import counter
from mycelium.limits import CANDIDATES_AT_ONCE
from mycelium.link.link import Link, LinkState
from mycelium.peering.dialler import Candidate, Dialler, Source
from mycelium.peering.known_peers import KnownPeers, Learned
from mycelium.subnets import subnets_of
from mycelium.wire.known_peer import KnownPeer, known_peer

GRACE_S: Final = 10.0  # how long a link that went down or has not come up is waited for
SURPLUS: Final = "fewer automatic peers are wanted"
SILENT: Final = "it has not answered for long"
CLOSED: Final = "it closed the link"
GONE: Final = "its link has ended"


class AutoPeer(Struct):
    """A node with which a link is kept."""

    peer: KnownPeer
    since: float


class AutoPeerNews(Struct, frozen=True):
    """What became of an automatic peer: `cause` says why it is given up; None for one that is kept from now on."""

    node: bytes
    peer: KnownPeer
    cause: str | None = None


@dataclass(slots=True)
class AutoPeersCounters:
    """Totals since the node started."""

    auto_peers_dialled: int = counter("Learned addresses dialled for automatic peers.")
    auto_peers_kept: int = counter("Automatic peers won.")
    auto_peers_given_up: int = counter("Automatic peers given up.")


class AutoPeers:
    """The automatic peers, by overlay address. `news` are drained by the owner, which closes the links that were given up."""

    def __init__(self, known: KnownPeers, *, links: Mapping[bytes, Link], dialler: Dialler, rng: random.Random) -> None:
        self.wanted = 0
        self.kept: dict[bytes, AutoPeer] = {}
        self.news: list[AutoPeerNews] = []
        self.counters = AutoPeersCounters()
        self._known = known
        self._links = links
        self._dialler = dialler
        self._rng = rng

    def want(self, wanted: int, *, now: float) -> None:
        """Keeps this many from now on."""
        self._dialler.forget_source(Source.EXCHANGE, now=now)  # candidates for more places than may be filled now
        self.wanted = wanted

    def answered(self, candidate: Candidate, address: bytes, *, now: float) -> None:
        """Takes note that a candidate has answered and has a link."""
        assert candidate.pin is not None
        peer = known_peer(candidate.endpoint, candidate.pin)
        self._known.proved(peer, now=now)
        if address in self.kept or len(self.kept) >= self.wanted:
            return
        self.kept[address] = AutoPeer(peer, now)
        self.counters.auto_peers_kept += 1
        self.news.append(AutoPeerNews(address, peer))
        self._dialler.forget_source(
            Source.EXCHANGE, now=now
        )  # the other candidates for this peer's place lost the race

    def failed(self, candidate: Candidate, *, now: float) -> None:
        """Takes note that a candidate has not answered."""
        assert candidate.pin is not None
        self._known.failed(known_peer(candidate.endpoint, candidate.pin), now=now)

    def sweep(self, *, now: float) -> None:
        """Gives up links that have failed, and dials for a missing one; to be called every second."""
        for address, one in list(self.kept.items()):
            cause = self._failure(address, one, now=now)
            if cause is not None:
                self._known.failed(one.peer, now=now)
                self._give_up(address, cause)
        for address in sorted(self.kept, key=self._round_trip, reverse=True)[: max(0, len(self.kept) - self.wanted)]:
            self._give_up(address, SURPLUS)
        if len(self.kept) < self.wanted and not self._dialler.dials_for(Source.EXCHANGE):
            self._dial(1 if len(self.kept) % 2 else CANDIDATES_AT_ONCE, now=now)

    def _failure(self, address: bytes, one: AutoPeer, *, now: float) -> str | None:
        link = self._links.get(address)
        if link is None:
            return GONE
        if link.closed_by_peer:
            return CLOSED
        if link.state is LinkState.DOWN and now - max(one.since, link.frames.last_heard) > GRACE_S:
            return SILENT
        return None

    def _give_up(self, address: bytes, cause: str) -> None:
        self.news.append(AutoPeerNews(address, self.kept.pop(address).peer, cause))
        self.counters.auto_peers_given_up += 1

    def _round_trip(self, address: bytes) -> float:
        link = self._links.get(address)
        return inf if link is None else link.paths.active.rtt.srtt or inf

    def _dial(self, number: int, *, now: float) -> None:
        but = {link.exchange_key for link in self._links.values() if link.state is not LinkState.DOWN}
        for one in self._choose(self._known.candidates(but, now=now))[:number]:
            candidate = Candidate(one.peer.endpoint, Source.EXCHANGE, one.peer.key)
            self.counters.auto_peers_dialled += self._dialler.dial(candidate, now=now)

    def _choose(self, candidates: list[Learned]) -> list[Learned]:
        """Returns candidates of different nodes in the order of preference."""
        used = {network for one in self.kept.values() for network in subnets_of(one.peer.address.host)}
        self._rng.shuffle(candidates)
        of_node = {one.peer.key: one for one in candidates}
        turns: Counter[bytes] = Counter()
        ordered: list[tuple[bool, int, int]] = []
        chosen = list(of_node.values())
        for index, one in enumerate(chosen):
            ordered.append((not used.isdisjoint(one.networks), turns[one.teacher], index))
            turns[one.teacher] += 1
        return [chosen[index] for _, _, index in sorted(ordered)]
