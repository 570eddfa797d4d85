"""What finds neighbours, put together: the peer list, beacons, what others tell, and the dialler that all of it leads to."""

from collections.abc import Callable, Sequence
from random import Random

from mycelium.counters import Registry
from mycelium.crypto.handshake import HandshakeConfig
from mycelium.crypto.key_proof import KeyProver
from mycelium.endpoint import Endpoint
from mycelium.link.handshakes import Handshakes
from mycelium.link.link import Link
from mycelium.outbox import Outbox
from mycelium.peering.configured import ConfiguredPeer, PeerList
from mycelium.peering.dialler import Dialler
from mycelium.peering.discovery import Discovery
from mycelium.peering.exchange import PeerExchange
from mycelium.peering.inviting import Inviting
from mycelium.peering.knocks import Knocks
from mycelium.peering.outside import Outside
from mycelium.session.key_proofs import MemberChecks, ProofSource
from mycelium.wire.control import Item, Observed


class Peering:
    """What finds the neighbours of one node. `links` is empty yet, and filled by whoever takes the handshakes."""

    def __init__(
        self, handshakes: HandshakeConfig, *, new_index: Callable[[], int], outbox: Outbox, rng: Random
    ) -> None:
        self.links: dict[bytes, Link] = {}  # by neighbour
        self.peers = PeerList(rng)
        self.members: MemberChecks | None = None  # in a network of members
        self.prover = KeyProver(handshakes.identity, handshakes.primitives)
        self.proof_source = ProofSource(self.prover, self.proof_wanted, lambda: self.members)
        self.on_wanted: Callable[..., None] = lambda now: None  # told when other proofs are wanted
        self.outside = Outside()
        self.handshakes = Handshakes(handshakes, rng=rng, outbox=outbox, new_index=new_index)
        self.dialler = Dialler(self.handshakes)
        self.discovery = Discovery(
            psk=handshakes.psk,
            network_id=handshakes.network_id,
            links=self.links,
            dialler=self.dialler,
            outbox=outbox,
            entropy=handshakes.entropy,
            rng=rng,
        )
        self.exchange = PeerExchange(
            handshakes.identity.exchange_public_key,
            links=self.links,
            dialler=self.dialler,
            is_chosen=lambda neighbour: bool(self.peers.linked_to(neighbour)),
            rng=rng,
        )
        self.inviting = Inviting(handshakes, outbox)
        self.knocks = Knocks(self.links, outbox=outbox, entropy=handshakes.entropy)

    def add_peer(self, url: str, pin: bytes | None, fingerprint: bytes | None, *, now: float) -> None:
        """Adds a peer, and has a link with it that there is already prove what it is pinned to; raises LocalError."""
        self.peers.add(url, pin, fingerprint, now=now)
        self.want_proofs(now=now)

    def remove_peer(self, url: str, *, now: float) -> ConfiguredPeer:
        """Removes a peer, and what it is pinned to; raises LocalError."""
        removed = self.peers.remove(url)
        self.want_proofs(now=now)
        return removed

    def want_proofs(self, *, now: float) -> None:
        """Has neighbours prove what they must, on each link, and partners in sessions."""
        for link in self.links.values():
            link.proofs.want(self.proof_wanted(link.exchange_key), now=now)
        self.on_wanted(now=now)

    def proof_wanted(self, exchange_key: bytes) -> bytes | None:
        """Returns the fingerprint of the ML-DSA key that the holder of an X25519 key must prove, by pin or certificate."""
        pinned = self.peers.fingerprint_of(exchange_key)
        return self.members.certified(exchange_key) if pinned is None and self.members is not None else pinned

    def receive(self, neighbour: bytes, items: Sequence[Item], *, now: float) -> None:
        """Takes where a neighbour sees this node, what it asks or tells of peers, and whether it wants a knock."""
        for item in items:
            if isinstance(item, Observed):  # where it sees the socket that its link uses
                self.outside.observed(neighbour, self.links[neighbour].paths.active.endpoint.local_port, item.address)
        self.exchange.receive(neighbour, items, now=now)
        self.knocks.receive(neighbour, items, now=now)

    def takes(self, endpoint: Endpoint, datagram: memoryview, *, now: float) -> bool:
        """Takes a datagram of a stranger; returns False if it is neither a request to join nor a knock asked for."""
        return self.inviting.takes(endpoint, datagram, now=now) or self.knocks.takes(endpoint, datagram)

    def untaken_bytes(self, neighbour: bytes) -> int:
        """Returns how much of what a neighbour was told it has not acknowledged; 1 if it had not when its link went down."""
        link = self.links.get(neighbour)
        return 0 if link is None else link.untaken_bytes

    def register(self, metrics: Registry) -> None:
        """Adds the counters of all of it."""
        metrics.add(self.handshakes.gate_counters, self.handshakes.counters, self.dialler.counters)
        metrics.add(self.discovery.counters, self.outside.counters, self.inviting.counters)
        metrics.add(self.knocks.counters)
        metrics.add(self.exchange.counters, self.exchange.known.counters, self.exchange.auto.counters)
