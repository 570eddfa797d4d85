"""The peers that the operator named: when to look up and dial each, and which neighbour it led to.

A peer whose link is up is left alone. A missing one is tried again with back-off and jitter: every few seconds for some
minutes, then less often, and at once when the network changes or its neighbour is back at another address.

Where a peer may be dialled over several media, the best is tried first and the others a moment later, as in RFC 8305. A link
over one of the others is used, and the better ones are tried again like a missing peer. When a link becomes suspect, all
that it has no path over are tried at once.
"""

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from math import inf
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.errors import LocalError
from mycelium.limits import CONFIGURED_PEERS, ENDPOINTS_PER_PEER
from mycelium.link.causes import THIS_NODE
from mycelium.medium import medium_of
from mycelium.peering.dialler import Candidate, Source
from mycelium.peering.failures import Failures
from mycelium.timing import Backoff

FIRST_WAIT_S: Final = 0.5
WAIT_FACTOR: Final = 1.6
WAIT_JITTER: Final = 0.2
FRESH_S: Final = 300.0  # a peer counts as newly lost for this long
FRESH_CEILING_S: Final = 1.0  # so it hears nothing from this node for two seconds at most: it may be back at any moment
WAIT_CEILING_S: Final = 15.0
UNLINKED: Final = inf  # worse than any medium
ATTEMPT_S: Final = 7.0  # a look-up and a handshake up to its being given up
FALLBACK_AFTER_S: Final = 0.25  # from dialling over the best medium to the others: RFC 8305's delay between attempts
NAME_UNKNOWN: Final = "the name is not known"
# An endpoint that turned out to be this node's own is left alone for this time, or until the network changes: it may become
# another's.
OWN_ENDPOINT_S: Final = 600.0


class ConfiguredPeer:
    """One entry of the peer list: a URL, and what came of dialling it."""

    __slots__ = (
        "_backoff",
        "_linked_over",
        "_own_until",
        "connected_at",
        "endpoints",
        "failures",
        "fingerprint",
        "is_linked",
        "known_since",
        "last_connected",
        "neighbour",
        "next_attempt",
        "on_change",
        "pin",
        "url",
    )

    def __init__(
        self,
        url: str,
        pin: bytes | None,
        fingerprint: bytes | None,
        *,
        on_change: Callable[[], None],
        rng: random.Random,
        now: float,
    ) -> None:
        self.url = url
        self.pin = pin  # X25519 key
        self.fingerprint = fingerprint  # of the ML-DSA key that it must prove besides; None asks for no proof
        self.endpoints: list[Endpoint] = []  # what the last successful look-up found
        self.neighbour: bytes | None = None  # overlay address of whoever answered last
        self.is_linked = False
        self._linked_over = UNLINKED  # preference of the best medium over which it had a path since; lowest is best
        self.known_since = now
        self.connected_at: float | None = None  # when its newest link came up
        self.last_connected: float | None = None  # when its last link went down
        self.next_attempt = now
        self.on_change = on_change  # called when it may be due at another time
        self.failures = Failures()
        self._own_until: dict[Endpoint, float] = {}  # endpoints that are this node's own
        self._backoff = Backoff(FIRST_WAIT_S, factor=WAIT_FACTOR, jitter=WAIT_JITTER, rng=rng)

    def resolved(self, endpoints: Iterable[Endpoint], *, now: float) -> list[Candidate]:
        """Takes the addresses that the name stands for, best first; returns what to dial: whatever is better than its link.

        A look-up that finds none leaves those of the last one: a handshake with one of them may be under way.
        """
        found = _first_of_each_scheme(endpoints)
        self.endpoints = found or self.endpoints
        self.on_change()
        if found:
            self.failures.keep(found)
        self._own_until = {endpoint: self._own_until[endpoint] for endpoint in found if endpoint in self._own_until}
        others = [endpoint for endpoint in found if now >= self._own_until.get(endpoint, now)]
        if not others:
            self.next_attempt = max(self.next_attempt, min(self._own_until.values(), default=now))
        return self._candidates([endpoint for endpoint in others if _preference(endpoint) < self._linked_over])

    def _candidates(self, endpoints: Sequence[Endpoint]) -> list[Candidate]:
        best = min(map(_preference, endpoints), default=UNLINKED)
        return [
            Candidate(
                endpoint,
                Source.PEER_LIST,
                self.pin,
                self.url,
                priority,
                FALLBACK_AFTER_S if _preference(endpoint) > best else 0.0,
            )
            for priority, endpoint in enumerate(endpoints)
        ]

    @property
    def is_settled(self) -> bool:
        """Tells whether nothing is to be dialled: it has a link, over the best medium that its endpoints have."""
        return self.is_linked and all(self._linked_over <= _preference(endpoint) for endpoint in self.endpoints)

    def others(self, remotes: Collection[Endpoint]) -> list[Candidate]:
        """Returns the endpoints to dial where a link with paths to these remote endpoints may be about to fail."""
        return self._candidates([endpoint for endpoint in self.endpoints if endpoint not in remotes])

    def failed(self, endpoint: Endpoint | None, cause: str, *, now: float) -> int:
        """Takes why an endpoint, or with None its look-up, failed; returns how many times in a row, 0 if that is no news."""
        if endpoint is not None and cause == THIS_NODE:
            self._own_until[endpoint] = now + OWN_ENDPOINT_S
            if self._own_until.keys() >= set(self.endpoints):
                self.next_attempt = now + OWN_ENDPOINT_S
                self.on_change()
        return self.failures.add(endpoint, cause)

    def is_at(self, remotes: Collection[Endpoint], exchange_key: bytes) -> bool:
        """Tells whether the holder of a key, reached at these remote endpoints, is whom the entry names."""
        return self.pin in (None, exchange_key) and any(endpoint in remotes for endpoint in self.endpoints)

    def wait(self, *, now: float) -> None:
        """Puts off the next attempt until the one that begins now has failed, and for a while longer."""
        missing_since = self.known_since if self.last_connected is None else self.last_connected
        self._backoff.ceiling = FRESH_CEILING_S if now - missing_since < FRESH_S else WAIT_CEILING_S
        self.next_attempt = now + ATTEMPT_S + self._backoff.next()
        self.on_change()

    def retry(self, *, now: float) -> None:
        """Has the peer dialled at once, if it has no link."""
        self._own_until.clear()
        self.next_attempt = now
        self._backoff.reset()
        self.on_change()

    def connected(self, neighbour: bytes, remotes: Collection[Endpoint]) -> None:
        """Takes note of a link with the neighbour that the entry names, which may come up, and of the paths that it has."""
        self.neighbour = neighbour
        self.is_linked = True
        reached = [_preference(endpoint) for endpoint in self.endpoints if endpoint in remotes]
        self._linked_over = min([self._linked_over, *reached])
        self.on_change()

    def disconnected(self, endpoint: Endpoint, cause: str, *, now: float) -> None:
        """Takes note that the link, last at this remote endpoint, is down: the peer is dialled at once."""
        self.unlink()
        if not self.failures:  # the link that has ended never came up
            self.failures.lost(endpoint, cause)
        self.last_connected = now
        self.retry(now=now)

    def unlink(self) -> None:
        """Takes note that there is no link: the peer is dialled when its next attempt is due."""
        self.is_linked = False
        self._linked_over = UNLINKED
        self.on_change()


def _preference(endpoint: Endpoint) -> float:
    return medium_of(endpoint.scheme).preference


def _first_of_each_scheme(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    counts: Counter[str] = Counter()
    found = []
    for endpoint in endpoints:
        counts[endpoint.scheme] += 1
        if counts[endpoint.scheme] <= ENDPOINTS_PER_PEER:
            found.append(endpoint)
    return found


class PeerList:
    """The configured peers, by URL."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.by_url: dict[str, ConfiguredPeer] = {}
        # The earliest of all, which is asked for with each control frame; None while it is to be searched for.
        self._due_at: float | None = inf

    def _search_again(self) -> None:
        self._due_at = None

    def add(self, url: str, pin: bytes | None, fingerprint: bytes | None = None, *, now: float) -> None:
        """Adds a peer, to be dialled at once; raises LocalError where it is known or the list is full."""
        if url in self.by_url:
            raise LocalError(f"peer {url} is in the peer list already")
        if len(self.by_url) >= CONFIGURED_PEERS:
            raise LocalError(f"the peer list is full: it has {CONFIGURED_PEERS} peers")
        self.by_url[url] = ConfiguredPeer(url, pin, fingerprint, on_change=self._search_again, rng=self._rng, now=now)
        self._search_again()

    def remove(self, url: str) -> ConfiguredPeer:
        """Forgets a peer; raises LocalError where there is none of this URL."""
        peer = self.by_url.pop(url, None)
        if peer is None:
            raise LocalError(f"peer {url} is not in the peer list")
        self._search_again()
        return peer

    def fingerprint_of(self, exchange_key: bytes) -> bytes | None:
        """Returns the fingerprint of the ML-DSA key that the holder of an X25519 key must prove; None where none is pinned."""
        pinned = (peer.fingerprint for peer in self.by_url.values() if peer.pin == exchange_key)
        return next((fingerprint for fingerprint in pinned if fingerprint is not None), None)

    def take_due(self, *, now: float) -> list[ConfiguredPeer]:
        """Returns the peers that are to be looked up and dialled, and sets when each is tried again."""
        if now < self.next_deadline():
            return []
        due = [peer for peer in self.by_url.values() if not peer.is_settled and now >= peer.next_attempt]
        for peer in due:
            peer.wait(now=now)
        return due

    def next_deadline(self) -> float:
        """When `take_due` will have something; infinity for never."""
        if self._due_at is None:
            waiting = (peer.next_attempt for peer in self.by_url.values() if not peer.is_settled)
            self._due_at = min(waiting, default=inf)
        return self._due_at

    def missing_at(self, remotes: Collection[Endpoint], exchange_key: bytes) -> list[ConfiguredPeer]:
        """Returns the peers without a link, or with a better one to come, that the holder of a key is the answer to.

        It is reached at these remote endpoints.
        """
        return [peer for peer in self.by_url.values() if not peer.is_settled and peer.is_at(remotes, exchange_key)]

    def returned(self, neighbour: bytes, *, now: float) -> None:
        """A neighbour's link is up: those of its entries that lead to other addresses are dialled at once."""
        for peer in self.by_url.values():
            if peer.neighbour == neighbour and peer.is_linked:
                peer.failures.clear()
                peer.connected_at = now
            elif peer.neighbour == neighbour:
                peer.retry(now=now)

    def linked_to(self, neighbour: bytes) -> list[ConfiguredPeer]:
        """Returns the entries that have a link, which may not be up yet, with a neighbour."""
        return [peer for peer in self.by_url.values() if peer.neighbour == neighbour and peer.is_linked]

    def disconnected(self, neighbour: bytes, endpoint: Endpoint, cause: str, *, now: float) -> None:
        """A neighbour's link, last at this remote endpoint, is down: its entries are dialled at once."""
        for peer in self.linked_to(neighbour):
            peer.disconnected(endpoint, cause, now=now)

    def left(self, neighbour: bytes, remotes: Collection[Endpoint]) -> None:
        """One of two processes with a neighbour's key is gone; entries that lead only to it are dialled again."""
        for peer in self.linked_to(neighbour):
            if not any(endpoint in remotes for endpoint in peer.endpoints):
                peer.unlink()

    def failed(self, url: str, endpoint: Endpoint | None, cause: str, *, now: float) -> int:
        """Takes why an attempt failed, as `ConfiguredPeer.failed`; 0 where the peer has a link or is not listed."""
        peer = self.by_url.get(url)
        return 0 if peer is None or peer.is_linked else peer.failed(endpoint, cause, now=now)

    def retry_all(self, *, now: float) -> None:
        """The network has changed: every missing peer is dialled at once."""
        for peer in self.by_url.values():
            peer.retry(now=now)
