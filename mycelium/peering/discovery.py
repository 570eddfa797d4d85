"""Discovery of neighbours on the same link by multicast beacons: when to send one, whom to dial on hearing one, whom to forget.

A beacon says only where to dial; the handshake tells who is there. A node dials only upon a beacon, so silent neighbours are
left alone. Of two nodes that hear each other at the same time one dials, the other waits.

In a public network anybody on the link can forge beacons, with any address of it. So each interface has a rate of newcomers
and a number of peers of its own, each address some of them, and a newcomer takes the place of none that has a link. That a
neighbour has restarted is believed ever more rarely.
"""

import hmac
import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import inf
from typing import Final

from msgspec import structs

from mycelium.counters import counter, drops
from mycelium.endpoint import Endpoint
from mycelium.errors import DecodeError
from mycelium.identity import blake2b
from mycelium.limits import DISCOVERED_PEERS, DISCOVERED_PER_ADDRESS, DISCOVERY_INTERFACES, NEWCOMERS_PER_SECOND
from mycelium.link.link import Link, LinkState
from mycelium.mapped_address import in_16_bytes
from mycelium.outbox import BeaconDue, Outbox
from mycelium.peering.dialler import Candidate, Dialler, Source
from mycelium.peering.failures import Failures
from mycelium.timing import Backoff, TokenBuckets
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
HESITATION_S: Final = 0.5  # the wait of the end that leaves dialling to the other
SIMULTANEOUS_S: Final = 2.0  # a node that sent a beacon within this time may be dialled because of it
FIRST_WAIT_S: Final = 5.0  # between two dials of one neighbour, and between two of its restarts that are believed
WAIT_FACTOR: Final = 2.0
WAIT_CEILING_S: Final = 600.0
FORGET_S: Final = 180.0  # a neighbour without beacon and link is remembered for this long
SWEEP_S: Final = 10.0
ATTEMPT_S: Final = 7.0  # a handshake up to its being given up


class DiscoveredPeer:
    """A neighbour whose beacons arrive from one endpoint; one on two interfaces is two discovered peers."""

    __slots__ = (
        "_backoff",
        "_next_restart",
        "_restarts",
        "allowed_at",
        "dial_at",
        "dialled_at",
        "endpoint",
        "failures",
        "has_restarted",
        "instance",
        "interface",
        "known_since",
        "last_heard",
    )

    def __init__(self, endpoint: Endpoint, interface: int, instance: bytes, *, now: float) -> None:
        self.endpoint = endpoint
        self.interface = interface  # index of that on which it was heard
        self.instance = instance
        self.known_since = now
        self.last_heard = now
        self.dial_at = inf  # when its last beacon asks to be dialled
        self.allowed_at = -inf  # when the back-off allows the next dial
        self.has_restarted = False  # since it was dialled: a link that seems to be up is dead
        self.dialled_at = -inf
        self.failures = Failures()
        self._backoff = Backoff(FIRST_WAIT_S, factor=WAIT_FACTOR, ceiling=WAIT_CEILING_S)
        self._next_restart = -inf
        self._restarts = Backoff(FIRST_WAIT_S, factor=WAIT_FACTOR, ceiling=WAIT_CEILING_S)

    def dialled(self, *, now: float) -> None:
        """Takes note of a dial; the next one must wait longer."""
        self.has_restarted = False
        self.dialled_at = now
        self.allowed_at = now + self._backoff.next()

    def forgive(self) -> None:
        """Lets the back-off start over: the peer answers, or has restarted."""
        self._backoff.reset()
        self.allowed_at = min(self.allowed_at, self.dialled_at + FIRST_WAIT_S)

    def restarted(self, instance: bytes, *, now: float) -> bool:
        """Takes another instance for a restart; returns False if the last one was too short ago to believe it."""
        if now < self._next_restart:
            return False
        self._next_restart = now + self._restarts.next()
        self.instance = instance
        self.has_restarted = True
        self.forgive()
        return True


@dataclass(slots=True)
class BeaconCounters:
    """Received beacons by outcome, since the node started."""

    beacons_accepted: int = counter("Authentic beacons of neighbours.")
    beacons_malformed: int = drops("Malformed beacons dropped.")
    beacons_forged: int = drops("Beacons dropped: a wrong tag, so of another network or copied.")
    beacons_refused: int = drops(
        "New neighbours, and restarts of known ones, not believed: too many beacons claim them."
    )


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
        self._newcomers: TokenBuckets[int] = TokenBuckets(  # by interface
            NEWCOMERS_PER_SECOND, keys=DISCOVERY_INTERFACES, burst=DISCOVERED_PEERS
        )
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
        """Returns the beacon to send from `source`, an address of this node: 16 bytes, an IPv4 one mapped into IPv6."""
        beacon = Beacon(self._port, self._instance)
        return encode_beacon(structs.replace(beacon, tag=self._tag(encode_beacon(beacon), source)))

    def network_changed(self, *, now: float) -> None:
        """Sends beacons as at the start: there may be other neighbours."""
        if self._port:
            self._sent = 0
            self._next_beacon = max(now, self._sent_at + LEAST_GAP_S)

    def receive(self, data: bytes, source: Endpoint, *, now: float) -> None:
        """Takes a datagram of a multicast group; dials its sender if there is reason to.

        `source` is on the link, and its `scope` the interface, with IPv4 too.
        """
        try:
            beacon = decode_beacon(data)
        except DecodeError:
            self.counters.beacons_malformed += 1
            return
        if beacon.instance == self._instance or not self._port:
            return
        if not hmac.compare_digest(beacon.tag, self._tag(data, in_16_bytes(source.host))):
            self.counters.beacons_forged += 1
            return
        self.counters.beacons_accepted += 1
        endpoint = Endpoint(SCHEME, source.host, beacon.port, source.scope if ":" in source.host else 0)
        peer = self._meet(endpoint, source.scope, beacon.instance, now=now)
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
        """Returns the links with a path to a discovered peer's endpoint, whichever end dialled; of two, the one that is up."""
        return {
            remote: link
            for link in sorted(self._links.values(), key=lambda link: link.state is not LinkState.DOWN)
            for path in link.paths
            if (remote := path.endpoint.remote) in self.by_endpoint
        }

    def failed(self, endpoint: Endpoint, cause: str) -> None:
        """Takes why an attempt to dial a discovered peer failed."""
        peer = self.by_endpoint.get(endpoint)
        if peer is not None:
            peer.failures.add(endpoint, cause)

    def lost(self, remotes: Collection[Endpoint], cause: str) -> None:
        """Takes why the link at these remote endpoints went down."""
        for endpoint in remotes:
            peer = self.by_endpoint.get(endpoint)
            if peer is not None:
                peer.failures.lost(endpoint, cause)

    def returned(self, remotes: Collection[Endpoint]) -> None:
        """Takes note that a link at these remote endpoints is up."""
        for endpoint in remotes:
            peer = self.by_endpoint.get(endpoint)
            if peer is not None:
                peer.failures.clear()

    def _tag(self, data: bytes, source: bytes) -> bytes:
        return blake2b(tagged_bytes(data, source), size=BEACON_TAG_BYTES, key=self._key)

    def _meet(self, endpoint: Endpoint, interface: int, instance: bytes, *, now: float) -> DiscoveredPeer | None:
        """Returns the peer at an endpoint; None for a new one beyond the bounds."""
        peer = self.by_endpoint.get(endpoint)
        if peer is None:
            if not self._has_room(endpoint, interface, now=now):
                self.counters.beacons_refused += 1
                return None
            peer = self.by_endpoint[endpoint] = DiscoveredPeer(endpoint, interface, instance, now=now)
        elif peer.instance != instance and not peer.restarted(instance, now=now):
            self.counters.beacons_refused += 1
        peer.last_heard = now
        return peer

    def _has_room(self, endpoint: Endpoint, interface: int, *, now: float) -> bool:
        """Tells whether a newcomer can be taken; one that was dialled in vain may be forgotten for it."""
        beside = [peer for peer in self.by_endpoint.values() if peer.interface == interface]
        if sum(peer.endpoint.host == endpoint.host for peer in beside) >= DISCOVERED_PER_ADDRESS:
            return False
        if not self._newcomers.take(interface, now=now):
            return False
        if len(beside) < DISCOVERED_PEERS:
            return True
        links = self.links_by_peer()
        in_vain = (
            peer
            for peer in beside
            if -inf < peer.dialled_at < now - ATTEMPT_S and peer.dial_at == inf and peer.endpoint not in links
        )
        oldest = next(in_vain, None)
        if oldest is not None:
            del self.by_endpoint[oldest.endpoint]
        return oldest is not None

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
