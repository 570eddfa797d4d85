"""The peers that the operator named: when to look their names up and knock, and which link came of it.

A peer whose link is up is left alone. One that does not answer is asked again with back-off and jitter: often while it is
missed since minutes, more rarely later, and at once when the network has changed or its neighbour is back by other means.
"""

import random
from collections.abc import Collection
from math import inf
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.errors import LocalError
from mycelium.limits import CONFIGURED_PEERS

FIRST_WAIT_S: Final = 0.5
WAIT_FACTOR: Final = 1.6
FRESH_CEILING_S: Final = 3.0  # while it is fresh that the peer is missing
FRESH_S: Final = 300.0
WAIT_CEILING_S: Final = 15.0
ATTEMPT_S: Final = 7.0  # a look-up and a handshake, given up or not
ENDPOINTS_PER_PEER: Final = 4  # addresses of one name that are tried side by side


class ConfiguredPeer:
    """One entry of the peer list.

    `neighbour` is the overlay address of whom it led to last; `link` is the same while the link that came of it is up.
    """

    __slots__ = (
        "endpoints",
        "failures",
        "known_since",
        "last_connected",
        "link",
        "neighbour",
        "next_attempt",
        "pin",
        "url",
        "wait",
    )

    def __init__(self, url: str, pin: bytes | None, *, now: float) -> None:
        self.url = url
        self.pin = pin  # X25519 key
        self.endpoints: list[Endpoint] = []  # of the last look-up
        self.link: bytes | None = None
        self.neighbour: bytes | None = None
        self.known_since = now
        self.last_connected: float | None = None
        self.next_attempt = now
        self.wait = FIRST_WAIT_S
        self.failures = 0  # attempts in a row


class Peers:
    """The peer list, by URL."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.by_url: dict[str, ConfiguredPeer] = {}

    def add(self, url: str, pin: bytes | None, *, now: float) -> None:
        """Adds a peer, to be dialled at once; raises LocalError where it is known or the list is full."""
        if url in self.by_url:
            raise LocalError(f"peer {url} is known already")
        if len(self.by_url) >= CONFIGURED_PEERS:
            raise LocalError(f"there are {CONFIGURED_PEERS} peers already")
        self.by_url[url] = ConfiguredPeer(url, pin, now=now)

    def remove(self, url: str) -> ConfiguredPeer:
        """Forgets a peer; raises LocalError where there is none of this URL."""
        peer = self.by_url.pop(url, None)
        if peer is None:
            raise LocalError(f"no peer {url}")
        return peer

    def take_due(self, *, now: float) -> list[ConfiguredPeer]:
        """Returns the peers that are to be looked up and dialled, and sets when each is tried again."""
        due = [peer for peer in self.by_url.values() if peer.link is None and now >= peer.next_attempt]
        for peer in due:
            peer.next_attempt = now + ATTEMPT_S + peer.wait * self._rng.uniform(0.8, 1.2)
            missed_since = peer.known_since if peer.last_connected is None else peer.last_connected
            ceiling = FRESH_CEILING_S if now - missed_since < FRESH_S else WAIT_CEILING_S
            peer.wait = min(peer.wait * WAIT_FACTOR, ceiling)
        return due

    def next_deadline(self) -> float:
        """When `take_due` will have something."""
        return min((peer.next_attempt for peer in self.by_url.values() if peer.link is None), default=inf)

    def connected(self, url: str, link: bytes, *, now: float) -> None:
        """A link came of dialling a peer."""
        peer = self.by_url.get(url)
        if peer is not None:
            _connect(peer, link, now)

    def returned(self, link: bytes, remotes: Collection[Endpoint], *, now: float) -> None:
        """A link is up, at these remote addresses: peers that it is the link of are found, others of it dialled at once."""
        for peer in self.by_url.values():
            if peer.neighbour != link or peer.link is not None:
                continue
            if any(endpoint in remotes for endpoint in peer.endpoints):
                _connect(peer, link, now)
            else:
                peer.next_attempt = now
                peer.wait = FIRST_WAIT_S

    def failed(self, url: str) -> int:
        """An attempt to reach a peer has failed; returns how many have in a row, 0 where it has a link or is not known."""
        peer = self.by_url.get(url)
        if peer is None or peer.link is not None:
            return 0
        peer.failures += 1
        return peer.failures

    def disconnected(self, link: bytes, *, now: float) -> None:
        """A link is down: the peers that it came of are dialled at once."""
        for peer in self.by_url.values():
            if peer.link == link:
                peer.link = None
                peer.last_connected = now
                peer.next_attempt = now
                peer.wait = FIRST_WAIT_S

    def retry_all(self, *, now: float) -> None:
        """The network has changed: whoever is missing is dialled at once."""
        for peer in self.by_url.values():
            peer.next_attempt = now
            peer.wait = FIRST_WAIT_S


def _connect(peer: ConfiguredPeer, link: bytes, now: float) -> None:
    peer.link = peer.neighbour = link
    peer.last_connected = now
    peer.wait = FIRST_WAIT_S
    peer.failures = 0
