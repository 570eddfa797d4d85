"""Discovery of neighbours on the same link by multicast beacons: when to send one, whom to dial on hearing one, whom to forget.

A beacon says only where to dial; the handshake tells who is there. A node dials only upon a beacon, so silent neighbours are
left alone. Of two nodes that hear each other at the same time one dials, the other waits.
"""

import hmac
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address
from math import inf
from typing import Final

from msgspec import structs

from mycelium.counters import counter
from mycelium.endpoint import Endpoint
from mycelium.errors import DecodeError
from mycelium.identity import blake2b
from mycelium.limits import DIALS_PER_SECOND, DISCOVERED_PEERS
from mycelium.link.link import Link, LinkState
from mycelium.outbox import BeaconDue, Outbox
from mycelium.peering.dialler import Candidate, Dialler, Source
from mycelium.timing import Backoff, TokenBucket
from mycelium.wire.beacon import (
    BEACON_KEY_LABEL,
    BEACON_TAG_BYTES,
    INSTANCE_BYTES,
    Beacon,
    decode_beacon,
    encode_beacon,
    tagged_bytes,
)

SCHEME: Final = "udp"
BURST_GAPS_S: Final = (0.5, 1.5)  # between the first beacons: one may be lost, or arrive before others listen
INTERVAL_S: Final = 30.0  # between later beacons
LEAST_GAP_S: Final = 1.0  # between beacons, however often the network changes
HESITATION_S: Final = 1.0  # the wait of the end that leaves dialling to the other
SIMULTANEOUS_S: Final = 2.0  # a node that sent a beacon within this time may be dialled because of it
FIRST_WAIT_S: Final = 5.0  # between two dials of one neighbour
WAIT_FACTOR: Final = 2.0
WAIT_CEILING_S: Final = 600.0
FORGET_S: Final = 180.0  # a neighbour without beacon and link is remembered for this long
SWEEP_S: Final = 10.0

_LINK_LOCAL: Final = IPv6Address("fe80::").packed[:8]


class DiscoveredPeer:
    """A neighbour whose beacons arrive from one endpoint; one on two interfaces is two discovered peers."""

    __slots__ = (
        "_backoff",
        "_dialled_at",
        "allowed_at",
        "dial_at",
        "endpoint",
        "has_restarted",
        "instance",
        "known_since",
        "last_heard",
    )

    def __init__(self, endpoint: Endpoint, instance: bytes, *, now: float) -> None:
        self.endpoint = endpoint
        self.instance = instance
        self.known_since = now
        self.last_heard = now
        self.dial_at = inf  # as its last beacon asks
        self.allowed_at = -inf  # the back-off allows no dial before
        self.has_restarted = False  # since it was dialled: a link that seems to be up is dead
        self._dialled_at = -inf
        self._backoff = Backoff(FIRST_WAIT_S, factor=WAIT_FACTOR, ceiling=WAIT_CEILING_S)

    def dialled(self, *, now: float) -> None:
        """Takes note of a dial; the next one must wait longer."""
        self.has_restarted = False
        self._dialled_at = now
        self.allowed_at = now + self._backoff.next()

    def forgive(self) -> None:
        """Lets the back-off start over: the peer answers, or has restarted."""
        self._backoff.reset()
        self.allowed_at = min(self.allowed_at, self._dialled_at + FIRST_WAIT_S)


@dataclass(slots=True)
class BeaconCounters:
    """Received beacons by outcome, since the node started."""

    beacons_accepted: int = counter("Authentic beacons of neighbours.")
    beacons_malformed: int = counter("Malformed beacons dropped.")
    beacons_forged: int = counter("Beacons dropped: a wrong tag, so of another network or copied.")
    beacons_refused: int = counter("Beacons of new or restarted neighbours ignored: too many.")


class Discovery:
    """The neighbours that beacons were received from, by endpoint. Does nothing before `start`."""

    def __init__(
        self,
        *,
        psk: bytes,
        network_id: bytes,
        links: Mapping[bytes, Link],
        dialler: Dialler,
        outbox: Outbox,
        entropy: Callable[[int], bytes],
        rng: random.Random,
        now: float,
    ) -> None:
        self.by_endpoint: dict[Endpoint, DiscoveredPeer] = {}
        self._key = blake2b(BEACON_KEY_LABEL + psk + network_id, size=32)
        self._links = links
        self._dialler = dialler
        self._outbox = outbox
        self._rng = rng
        self._entropy = entropy
        self._instance = b""
        self._port = 0  # until it starts
        self._dials = TokenBucket(DIALS_PER_SECOND, now=now)
        self._sent = 0  # number of beacons since the start or the last change of the network
        self._sent_at = -inf
        self._next_beacon = inf
        self._next_sweep = inf
        self.counters = BeaconCounters()

    def start(self, port: int, *, now: float) -> None:
        """Starts asking for beacons that name `port`, and dialling upon those of others."""
        self._port = port
        self._instance = self._entropy(INSTANCE_BYTES)
        self._next_beacon = now
        self._next_sweep = now + SWEEP_S

    def beacon(self, source: bytes) -> bytes:
        """Returns the beacon to send from `source`, a 16-byte link-local address of this node."""
        beacon = Beacon(self._port, self._instance)
        return encode_beacon(structs.replace(beacon, tag=self._tag(encode_beacon(beacon), source)))

    def network_changed(self, *, now: float) -> None:
        """Sends beacons as at the start: there may be other neighbours."""
        if self._port:
            self._sent = 0
            self._next_beacon = max(now, self._sent_at + LEAST_GAP_S)

    def receive(self, data: bytes, source: Endpoint, *, now: float) -> None:
        """Takes a datagram of the multicast group, from an IPv6 address; dials its sender if there is reason to."""
        address = IPv6Address(source.host).packed
        try:
            beacon = decode_beacon(data)
        except DecodeError:
            self.counters.beacons_malformed += 1
            return
        if beacon.instance == self._instance or not self._port:
            return
        if not address.startswith(_LINK_LOCAL) or not hmac.compare_digest(beacon.tag, self._tag(data, address)):
            self.counters.beacons_forged += 1
            return
        self.counters.beacons_accepted += 1
        peer = self._meet(Endpoint(SCHEME, source.host, beacon.port, source.scope), beacon.instance, now=now)
        if peer is not None:
            self._plan(peer, now=now)
            self._dial_due(now=now)

    def next_deadline(self) -> float:
        """When `handle_timeout` is due; infinity for never."""
        dials = min((peer.dial_at for peer in self.by_endpoint.values()), default=inf)
        return min(self._next_beacon, self._next_sweep, dials)

    def handle_timeout(self, *, now: float) -> None:
        """Asks for a beacon, dials and forgets peers, whatever is due."""
        if now >= self._next_beacon:
            gap = BURST_GAPS_S[self._sent] if self._sent < len(BURST_GAPS_S) else INTERVAL_S
            self._sent += 1
            self._sent_at = now
            self._next_beacon = now + gap * self._rng.uniform(0.8, 1.2)
            self._outbox.events.append(BeaconDue())
        self._dial_due(now=now)
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_S
            self._sweep(now=now)

    def links_by_peer(self) -> dict[Endpoint, Link]:
        """Returns the links with a path to a discovered peer's endpoint, whichever end dialled."""
        return {
            remote: link
            for link in self._links.values()
            for path in link.paths
            if (remote := path.endpoint.remote) in self.by_endpoint
        }

    def _tag(self, data: bytes, source: bytes) -> bytes:
        return blake2b(tagged_bytes(data, source), size=BEACON_TAG_BYTES, key=self._key)

    def _meet(self, endpoint: Endpoint, instance: bytes, *, now: float) -> DiscoveredPeer | None:
        """Returns the peer at an endpoint; None for a new or restarted one beyond the bounds."""
        peer = self.by_endpoint.get(endpoint)
        if peer is not None and peer.instance == instance:
            peer.last_heard = now
            return peer
        if not self._dials.take(now=now) or (peer is None and len(self.by_endpoint) >= DISCOVERED_PEERS):
            self.counters.beacons_refused += 1
            return None
        if peer is None:
            peer = self.by_endpoint[endpoint] = DiscoveredPeer(endpoint, instance, now=now)
        else:
            peer.instance = instance
            peer.has_restarted = True
            peer.forgive()
        peer.last_heard = now
        return peer

    def _plan(self, peer: DiscoveredPeer, *, now: float) -> None:
        """Sets when to dial a peer whose beacon arrived. If it may dial this node too, the lower instance goes first."""
        if peer.dial_at == inf and peer.allowed_at <= now + FIRST_WAIT_S:  # a later beacon will do for a longer wait
            is_second = now - self._sent_at < SIMULTANEOUS_S and self._instance > peer.instance
            peer.dial_at = max(now + HESITATION_S * is_second, peer.allowed_at)

    def _dial_due(self, *, now: float) -> None:
        due = [peer for peer in self.by_endpoint.values() if now >= peer.dial_at]
        links = self.links_by_peer() if due else {}
        for peer in due:
            peer.dial_at = inf
            link = links.get(peer.endpoint)
            is_linked = link is not None and link.state is not LinkState.DOWN and not peer.has_restarted
            if not is_linked and self._dialler.dial(Candidate(peer.endpoint, Source.DISCOVERY), now=now):
                peer.dialled(now=now)

    def _sweep(self, *, now: float) -> None:
        links = self.links_by_peer()
        for peer in list(self.by_endpoint.values()):
            link = links.get(peer.endpoint)
            if link is not None and link.state is not LinkState.DOWN:
                peer.forgive()
            elif now - peer.last_heard > FORGET_S:
                del self.by_endpoint[peer.endpoint]
