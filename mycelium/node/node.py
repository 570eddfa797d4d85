"""A whole node, composed of links, routing, sessions and the data path, and still pure: no I/O, no clock, no dice of its own.

A driver, of the daemon or of the simulator, hands in bytes and `now`, then empties `outbox` and arms one timer for
`next_deadline()`.

    receive(datagrams) -> link -> control messages -> routing
                               -> data frames      -> receiving -> outbox.deliveries, or the next link
    send_packets(batch) -> sending -> link -> outbox.transmits
"""

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from mycelium.counters import Registry
from mycelium.crypto.handshake import HandshakeConfig
from mycelium.crypto.primitives import Primitives
from mycelium.endpoint import Endpoint, Lost, remote_of
from mycelium.identity import Identity, subnet_of
from mycelium.node.announcing import announce, is_signed, publish
from mycelium.node.counters import NodeCounters
from mycelium.node.data_path import DataPath
from mycelium.node.journal import Journal
from mycelium.node.leasing import Leasing
from mycelium.node.link_deadlines import handle_links
from mycelium.node.neighbours import Neighbours
from mycelium.node.peering import Peering
from mycelium.node.settings import NodeSettings
from mycelium.node.shortcuts import MeshShortcuts
from mycelium.node.snapshot import NodeSnapshot, PeerOrigin, snapshot
from mycelium.outbox import Outbox
from mycelium.packet.batch import PacketBatch
from mycelium.peering.configured import NAME_UNKNOWN
from mycelium.policy.base import DEFAULT_POLICY, Policy
from mycelium.routing.engine import RoutingEngine
from mycelium.timing import Deadlines
from mycelium.wire.announcement import COUNTER_BYTES
from mycelium.wire.beacon import INSTANCE_BYTES
from mycelium.wire.datagram import CHUNK, CHUNK_HEAD, COOKIE, FRAME, HANDSHAKE_1, HANDSHAKE_PART, SIZE_PROBE
from mycelium.wire.frame import CLOSE_LEAVING
from mycelium.wire.lease import LEASE_CHALLENGE
from mycelium.wire.statement import Statement

HOUSEKEEPING_S: Final = 1.0
_HOUSEKEEPING: Final = "housekeeping"
_PEERING: Final = "peering"
_ROUTING: Final = "routing"
_SHORTEST_DATAGRAM: Final = CHUNK_HEAD.size + 1
_INDEX: Final = slice(4, 8)


class Node:
    """One node. `epoch` is larger than at any earlier start under this identity; `rng` is for jitter only."""

    def __init__(
        self,
        identity: Identity,
        *,
        settings: NodeSettings,
        epoch: int,
        entropy: Callable[[int], bytes],
        rng: random.Random,
        primitives: Primitives,
        now: float,
        policy: Policy = DEFAULT_POLICY,
        verify: Callable[[Statement], bool] = is_signed,
    ) -> None:
        self.identity = identity
        self.outbox = Outbox()
        self.journal = Journal(now=now)
        self.metrics = Registry()
        self._counters = NodeCounters()
        self._entropy = entropy
        self._settings, self._policy = settings, policy
        self._deadlines: Deadlines[bytes | str] = Deadlines()  # of links by neighbour, and of these
        self._deadlines.set(_HOUSEKEEPING, now + HOUSEKEEPING_S)
        handshakes = HandshakeConfig(
            identity=identity,
            psk=settings.psk,
            network_id=settings.network_id,
            suites=settings.suites,
            instance=(instance := entropy(INSTANCE_BYTES)),
            entropy=entropy,
            primitives=primitives,
        )
        self.routing = RoutingEngine(
            node=identity.address,
            announce=partial(announce, identity, settings),
            publish=partial(publish, identity, settings),
            verify=verify,
            epoch=epoch,
            counter=int.from_bytes(instance[:COUNTER_BYTES], "big"),
            rng=rng,
            now=now,
            network_id=settings.network_id,
            parameters=settings.routing,
            policy=policy,
            keeps=lambda node: node in self.sessions.by_peer,
            untaken_bytes=lambda neighbour: self._peering.untaken_bytes(neighbour),
        )
        self._compose_links(handshakes, rng, now=now)
        self._compose_data_path(handshakes, rng, verify, now=now)
        self._compose_shortcuts(now=now)
        self._register()

    def _compose_links(self, handshakes: HandshakeConfig, rng: random.Random, *, now: float) -> None:
        """Makes what finds neighbours and keeps links with them."""
        peering = self._peering = Peering(handshakes, new_index=self._new_index, outbox=self.outbox, rng=rng)
        self.peers = peering.peers
        self.prover = peering.prover
        self.links = peering.links
        self.handshakes = peering.handshakes
        self.dialler = peering.dialler
        self.outside = peering.outside
        self.discovery = peering.discovery
        self.exchange = peering.exchange
        self.inviting = peering.inviting
        self.knocks = peering.knocks
        self.leasing = Leasing(self.identity, self.links, self.dialler, self.journal, self.outbox, self._entropy)
        self.neighbours = Neighbours(
            peering=peering,
            leasing=self.leasing,
            routing=self.routing,
            journal=self.journal,
            policy=self._policy,
            counters=self._counters,
            outbox=self.outbox,
            deadlines=self._deadlines,
            entropy=self._entropy,
            rng=rng,
        )

    def _compose_data_path(
        self, handshakes: HandshakeConfig, rng: random.Random, verify: Callable[[Statement], bool], *, now: float
    ) -> None:
        """Makes what packets and trains pass through."""
        path = self._data_path = DataPath(
            self.identity,
            handshakes=handshakes,
            routing=self.routing,
            peering=self._peering,
            policy=self._policy,
            settings=self._settings,
            verify=verify,
            outbox=self.outbox,
            deadlines=self._deadlines,
            rng=rng,
            now=now,
        )
        self.sessions, self.sending, self.receiving = path.sessions, path.sending, path.receiving
        self.directory, self.ways = path.directory, path.ways
        self.echoes, self.speed_tests, self.reachability = path.echoes, path.speed_tests, path.reachability
        self.relay_errors, self.survey, self.dataplane_counters = path.relay_errors, path.survey, path.counters

    def _compose_shortcuts(self, *, now: float) -> None:
        """Makes what finds direct links with nodes that relays lie between."""
        self.shortcuts = MeshShortcuts(
            self.identity.address,
            routing=self.routing,
            sessions=self.sessions,
            sending=self.sending,
            receiving=self.receiving,
            neighbours=self.neighbours,
            outside=self.outside,
            dialler=self.dialler,
            journal=self.journal,
            policy=self._policy,
            entropy=self._entropy,
            arm=self.arm,
            now=now,
        )
        if self._settings.shortcuts:
            self.shortcuts.start(now=now)
            self.leasing.start(self.shortcuts)
        self.arm()

    def _register(self) -> None:
        self.metrics.add(self._counters, self.neighbours.link_counters, self.dataplane_counters, self.sessions.counters)
        self.metrics.add(self.shortcuts.counters, self.leasing.given.counters, self.leasing.held.counters)
        self.metrics.add_gauge("shortcuts_open", "Direct links beside relays.", lambda: len(self.shortcuts.peers))
        self._peering.register(self.metrics)
        self._data_path.register(self.metrics)
        self.routing.register(self.metrics)

    # -- data ----------------------------------------------------------------------------------------------------------

    def receive(
        self, endpoint: Endpoint, burst: memoryview, segment_size: int, *, now: float, waited_s: float = 0.0
    ) -> None:
        """Takes datagrams of one sender, `segment_size` bytes each, the last perhaps shorter, that arrived `waited_s` ago."""
        if len(burst) < _SHORTEST_DATAGRAM:
            self._counters.datagrams_unknown += 1
            return
        kind = burst[0]
        if kind in (FRAME, CHUNK, SIZE_PROBE):
            index = int.from_bytes(burst[_INDEX], "big")
            link = self.neighbours.by_index.get(index)
            if link is not None:
                for frame in link.receive(index, endpoint, burst, segment_size, now=now, waited_s=waited_s):
                    self.receiving.receive_frame(frame, now=now, neighbour=link.address)
                if self.neighbours.events:
                    self.neighbours.handle_events(now=now)
                    self.arm()
                return
            if self.handshakes.keep_early(index, endpoint, burst, segment_size, arrived_at=now - waited_s):
                return
        if len(burst) > segment_size:  # of mixed kinds: the kernel joins datagrams of equal size
            for start in range(0, len(burst), segment_size):
                self.receive(endpoint, burst[start : start + segment_size], segment_size, now=now, waited_s=waited_s)
        elif HANDSHAKE_1 <= kind <= COOKIE or kind == HANDSHAKE_PART:
            self._receive_handshake(endpoint, burst, now=now)
        elif not self._peering.takes(endpoint, burst, now=now) and (
            kind != LEASE_CHALLENGE or not self.leasing.held.challenged(endpoint, bytes(burst))
        ):
            self._counters.datagrams_unknown += 1

    def _receive_handshake(self, endpoint: Endpoint, datagram: memoryview, *, now: float) -> None:
        completed = self.handshakes.receive(endpoint, datagram, now=now)
        if completed is not None:
            self.neighbours.adopt(completed, now=now)
            for came_from, burst, segment_size, arrived_at in completed.early:
                self.receive(came_from, burst, segment_size, now=now, waited_s=now - arrived_at)
        elif self.handshakes.has_failed:
            self.dialler.handle_timeout(now=now)
            self.neighbours.note_failures(now=now)
        self.arm()

    def send_packets(self, batch: PacketBatch, *, now: float) -> None:
        """Sends the packets of one read of TUN."""
        self.sending.send_packets(batch, now=now)
        if self.sessions.failed:
            self._data_path.reject_failed(now=now)

    # -- peers ---------------------------------------------------------------------------------------------------------

    def add_peer(self, url: str, *, pin: bytes | None = None, fingerprint: bytes | None = None, now: float) -> None:
        """Adds a peer to keep a link with, as `PeerList.add`; raises LocalError."""
        self._peering.add_peer(url, pin, fingerprint, now=now)
        self.neighbours.dial_due(now=now)
        self.arm()

    def remove_peer(self, url: str, *, now: float) -> None:
        """Stops dialling a peer and closes its link unless another entry has the same; raises LocalError for an unknown URL."""
        self.neighbours.leave(self._peering.remove_peer(url, now=now), now=now)
        self.arm()

    def peer_resolved(self, url: str, endpoints: Sequence[Endpoint], *, cause: str = NAME_UNKNOWN, now: float) -> None:
        """Dials a configured peer at the addresses that `ResolvePeer` asked for, best first; `cause` tells why it has none."""
        peer = self.peers.by_url.get(url)
        if peer is None or peer.is_settled:
            return
        if not endpoints:
            self.neighbours.note_failure(url, None, cause, now=now)
        for candidate in peer.resolved(endpoints, now=now):
            self.dialler.dial(candidate, now=now)
        self.arm()

    def start_discovery(self, port: int, *, now: float) -> None:
        """Starts to find neighbours on the local network; `port` is where they are to dial this node."""
        self.discovery.start(port, now=now)
        self.arm()

    def beacon_received(self, data: bytes, source: Endpoint, *, now: float) -> None:
        """Takes a datagram of a multicast group of discovery, as `Discovery.receive`."""
        self.discovery.receive(data, source, now=now)
        self.arm()

    def network_changed(self, *, now: float) -> None:
        """Probes every path, dials every missing peer and neighbour at once: this host's addresses or routes have changed."""
        for link in self.links.values():
            link.network_changed(now=now)
        self.peers.retry_all(now=now)
        self.neighbours.redials.retry_all(now=now)
        self.discovery.network_changed(now=now)
        self.shortcuts.network_changed()
        self.leasing.held.rebind(now=now)
        self.neighbours.dial_due(now=now)
        self.arm()

    def host_lost(self, lost: Lost, *, now: float) -> None:
        """Declares paths dead that this host has lost the interface, address or route for, and probes all others."""
        self.neighbours.host_lost(lost, now=now)
        self.arm()

    def endpoints_in_use(self) -> set[Endpoint]:
        """Returns the endpoints of all paths of all links."""
        return {endpoint for link in self.links.values() for endpoint in link.paths.by_endpoint}

    def own_indices(self) -> list[int]:
        """Returns the indices that datagrams of neighbours name, unless slowed, and of nodes that are being dialled."""
        return [*self.neighbours.indices.expected(), *self.handshakes.own_indices]

    def datagram_refused(self, endpoint: Endpoint, size: int, *, now: float) -> None:
        """Shortens the datagrams of a path, as one of `size` bytes was too long to leave this host (EMSGSIZE)."""
        self.handshakes.refused(endpoint, size)
        for link in self.neighbours.over(endpoint):
            link.datagram_refused(endpoint, size, now=now)

    def host_gained(self, *, now: float) -> None:
        """Probes dead paths again, as this host has a new address, route or carrier."""
        for link in self.links.values():
            link.host_gained(now=now)

    def undelivered(self, endpoint: Endpoint, cause: str, *, now: float) -> None:
        """Takes why a datagram to an endpoint did not leave this host: an attempt to dial it may fail for that."""
        self.handshakes.reported(endpoint, cause, now=now)

    def unreachable(self, told: Mapping[Endpoint, str], *, now: float) -> None:
        """Probes the paths to addresses that hosts reported unreachable, and why; ICMP can be forged, so no more follows."""
        for endpoint, cause in told.items():
            self.handshakes.reported(endpoint, cause, now=now)
        remotes = {remote_of(endpoint) for endpoint in told}
        for link in self.links.values():
            link.reported_unreachable(remotes, now=now)

    def resumed(self, *, now: float) -> None:
        """Redials every neighbour, besides what a changed network takes: they may have dropped a sleeping host's links."""
        for link in self.links.values():
            self.neighbours.redial(link, now=now)
        self.network_changed(now=now)

    def close(self, *, now: float) -> None:
        """Tells every neighbour that this node leaves; the driver sends what is in the outbox and makes no further call."""
        for link in self.links.values():
            link.close(CLOSE_LEAVING, now=now)

    # -- time ----------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """When `handle_timeout` is due; a later call is legal, an earlier one harmless. Any other call may change it."""
        return self._deadlines.next()

    def handle_timeout(self, *, now: float) -> None:
        """Does whatever is due."""
        due = self._deadlines.take_due(now=now)
        if not handle_links(due, self.neighbours, self.receiving, now=now) and due:
            return
        if _PEERING in due:
            self._peering_is_due(now=now)
        self.neighbours.note_failures(now=now)
        self._data_path.tell(self.journal, now=now)
        self._data_path.handle_timeout(due, now=now)
        if self.routing.next_deadline() <= now:
            self.routing.handle_timeout(now=now)
        if _HOUSEKEEPING in due:
            self._deadlines.set(_HOUSEKEEPING, now + HOUSEKEEPING_S)
            self.neighbours.sweep(now=now)
            self._data_path.look(now=now)
            self.journal.sweep(now=now)
            self.journal.outside_changed(self.outside.take_change(), now=now)
        self.neighbours.pass_on(now=now)
        self.arm()

    def _peering_is_due(self, *, now: float) -> None:
        self.handshakes.handle_timeout(now=now)
        self.shortcuts.handle_timeout(now=now)
        self.dialler.handle_timeout(now=now)
        self.discovery.handle_timeout(now=now)
        self.leasing.handle_timeout(now=now)
        self.neighbours.dial_due(now=now)
        self.neighbours.redial_due(now=now)

    def arm(self) -> None:
        """Called after whatever may have brought a deadline of these forward: not packets, of which there are too many."""
        dialling = (self.handshakes, self.dialler, self.peers, self.discovery, self.neighbours.redials)
        self._deadlines.set(_PEERING, min(one.next_deadline() for one in (*dialling, self.shortcuts, self.leasing)))
        self._deadlines.set(_ROUTING, self.routing.next_deadline())

    # -- what operators see ------------------------------------------------------------------------------------------------

    def snapshot(self, *, now: float) -> NodeSnapshot:
        """Returns the current peers, links and sessions."""
        shortcuts = dict.fromkeys(self.shortcuts.peers, PeerOrigin.SHORTCUT)
        unlisted = shortcuts | dict.fromkeys(self.exchange.auto.kept, PeerOrigin.AUTOMATIC)
        return snapshot(self.peers, self.discovery, unlisted, self.dialler, self.links, self.sessions, now=now)

    def exchange_key_of(self, address: bytes) -> bytes | None:
        """Returns the X25519 key of the node that owns a 16-byte overlay address; None for an unknown one."""
        owner = self.routing.forwarding.owner.get(subnet_of(address))
        return None if owner is None else self.shortcuts.key_of(owner)

    def note_route_changes(self, *, now: float) -> None:
        """Writes the changes of routes into the journal; for drivers whose operators read it."""
        changes = list(self.routing.changes)
        self.routing.changes.clear()
        self.journal.routes_changed(
            changes,
            self.routing.forwarding.version,
            is_in_use=self.sessions.by_peer.__contains__,
            silent_since=self.neighbours.silent_since,
            now=now,
        )

    def _new_index(self) -> int:
        while True:
            index = int.from_bytes(self._entropy(4), "big")
            if index and index not in self.neighbours.by_index and not self.handshakes.holds(index):
                return index
