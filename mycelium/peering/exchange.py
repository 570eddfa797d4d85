"""The exchange of addresses among neighbours, by which a node gets to know whom else it could link with.

Who wants automatic peers asks its neighbours, and agrees by that to be told of. A node tells of those neighbours only, and of
the addresses at which its own links reach them, so that what it says is what it sees. Answers count if they were asked for.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from mycelium.counters import counter, drops
from mycelium.endpoint import Endpoint
from mycelium.limits import PEERS_PER_MESSAGE
from mycelium.link.link import Link, LinkState
from mycelium.link.path.liveness import PathState
from mycelium.peer_address import is_numeric, objection
from mycelium.peering.auto import AutoPeers
from mycelium.peering.dialler import Dialler
from mycelium.peering.known_peers import RESTORED, KnownPeers, may_be_told
from mycelium.wire.control import Item, PeersKnown, PeersWanted
from mycelium.wire.known_peer import SCHEMES, KnownPeer, known_peer

# from a link's coming up to the first question: by then its neighbour has most of its links, even if all nodes start together
ASK_AFTER_S: Final = 1.0
ASK_AGAIN_S: Final = 15.0  # while automatic peers are missing
ASK_EVERY_S: Final = 600.0
ANSWER_EVERY_S: Final = 10.0  # least time between answers to one neighbour
STRANGERS: Final = b"\x00"  # the teacher of what neighbours say that chose this node, all of them together


@dataclass(slots=True)
class ExchangeCounters:
    """Totals since the node started."""

    peers_told: int = counter("Addresses of neighbours told to other neighbours that asked.")
    peers_asked_too_often: int = counter("Requests for addresses left unanswered: the neighbour had one just before.")
    peers_unasked: int = drops("Addresses dropped that a neighbour told without having been asked.")


class _Talk:
    """What was said with one neighbour."""

    __slots__ = ("answered_at", "ask_at", "awaits", "has_asked")

    def __init__(self, *, now: float) -> None:
        self.ask_at = now + ASK_AFTER_S
        self.awaits = False  # an answer
        self.has_asked = False
        self.answered_at = -ANSWER_EVERY_S + now


class PeerExchange:
    """Asks and answers; `known` is what was learned, `auto` the links that come of it."""

    def __init__(
        self,
        own_key: bytes,
        *,
        links: Mapping[bytes, Link],
        dialler: Dialler,
        is_chosen: Callable[[bytes], bool],
        rng: random.Random,
    ) -> None:
        self.known = KnownPeers(own_key)
        self.auto = AutoPeers(self.known, links=links, dialler=dialler, rng=rng)
        self.counters = ExchangeCounters()
        self._links = links
        self._is_chosen = is_chosen  # tells of a neighbour whether the operator named it
        self._rng = rng
        self._talks: dict[bytes, _Talk] = {}  # by neighbour

    def keep(self, wanted: int, known: Sequence[KnownPeer], *, now: float) -> None:
        """Keeps this many automatic peers from now on; `known` is what was known at the last stop."""
        if wanted > self.auto.wanted:
            for talk in self._talks.values():
                talk.ask_at = now
        self.auto.want(wanted, now=now)
        self.known.learn(known, RESTORED, now=now)

    def linked(self, neighbour: bytes, *, now: float) -> None:
        """Takes note that a link is up: nothing was said over it yet."""
        self._talks[neighbour] = _Talk(now=now)

    def forget(self, neighbour: bytes) -> None:
        """Takes note that a link has ended."""
        self._talks.pop(neighbour, None)

    def receive(self, neighbour: bytes, items: Sequence[Item], *, now: float) -> None:
        """Takes what a neighbour asks or tells."""
        talk = self._talks.get(neighbour)
        if talk is None:
            return
        for item in items:
            if isinstance(item, PeersWanted):
                self._answer(neighbour, talk, now=now)
            elif isinstance(item, PeersKnown):
                self._learn(neighbour, talk, item, now=now)

    def sweep(self, *, now: float) -> None:
        """Asks whom it is time to ask, and keeps the automatic peers; to be called every second."""
        if self.auto.wanted:
            self.known.sweep(now=now)
            for neighbour, talk in self._talks.items():
                if now >= talk.ask_at and self._links[neighbour].state is LinkState.UP:
                    is_complete = len(self.auto.kept) >= self.auto.wanted
                    talk.ask_at = now + (ASK_EVERY_S if is_complete else ASK_AGAIN_S)
                    talk.awaits = True
                    self._links[neighbour].send_items((PeersWanted(),), now=now)
        self.auto.sweep(now=now)

    def _answer(self, neighbour: bytes, talk: _Talk, *, now: float) -> None:
        talk.has_asked = True
        if now - talk.answered_at < ANSWER_EVERY_S:
            self.counters.peers_asked_too_often += 1
            return
        talk.answered_at = now
        told = self._sample(neighbour)
        self.counters.peers_told += len(told)
        self._links[neighbour].send_items((PeersKnown(told),), now=now)

    def _learn(self, neighbour: bytes, talk: _Talk, item: PeersKnown, *, now: float) -> None:
        if not talk.awaits:
            self.counters.peers_unasked += len(item.peers)
            return
        talk.awaits = False
        teacher = neighbour if self._is_chosen(neighbour) or neighbour in self.auto.kept else STRANGERS
        seen_at = self._links[neighbour].paths.active.endpoint.host
        fit = [peer for peer in item.peers[:PEERS_PER_MESSAGE] if may_be_told(peer.address.host, seen_at)]
        self.known.counters.peers_not_learned += len(item.peers) - len(fit)
        self.known.learn(fit, teacher, now=now)

    def _sample(self, listener: bytes) -> tuple[KnownPeer, ...]:
        """Returns where some neighbours are that agreed to be told of."""
        seen_at = self._links[listener].paths.active.endpoint.host
        others = [
            self._links[neighbour]
            for neighbour, talk in self._talks.items()
            if neighbour != listener and (talk.has_asked or neighbour in self.auto.kept)
        ]
        self._rng.shuffle(others)
        found = [peer for link in others for peer in _dialable(link) if may_be_told(peer.address.host, seen_at)]
        return tuple(found[:PEERS_PER_MESSAGE])


def _is_dialable(endpoint: Endpoint) -> bool:
    is_elsewhere = endpoint.scope or endpoint.connection or endpoint.site
    is_address = is_numeric(endpoint.host) and objection(endpoint.host) is None
    return is_address and endpoint.scheme in SCHEMES and not is_elsewhere


def _dialable(link: Link) -> list[KnownPeer]:
    """Returns where a neighbour's paths lead to, one address of each version of IP, without those that it only dials from."""
    found: dict[int, KnownPeer] = {}
    for path in sorted(link.paths, key=lambda path: path is not link.paths.active):
        endpoint = path.endpoint
        if path.is_validated and path.liveness.state is not PathState.DEAD and _is_dialable(endpoint):
            found.setdefault(ip_address(endpoint.host).version, known_peer(endpoint, link.exchange_key))
    return list(found.values()) if link.state is not LinkState.DOWN else []
