"""Hundreds of whole nodes: handshakes, sessions, liveness, forwarding and traffic, in memory and in virtual time.

Each node has one address on the underlay, perhaps behind a NAT. A link between two nodes is where datagrams between their
addresses go; one of its ends has the other in its peer list. What a link costs, and that it is dead, nodes find out themselves.
"""

from collections.abc import Callable
from random import Random
from typing import Final

from msgspec import Struct

from mycelium.crypto.primitives import Primitives, RealPrimitives
from mycelium.endpoint import Endpoint
from mycelium.errors import ConfigError
from mycelium.identity import Identity, address_of_signing_key, blake2b
from mycelium.node.link import LinkState
from mycelium.node.node import Node, NodeSettings, is_signed
from mycelium.node.outbox import Event, LinkDown, LinkUp, ResolvePeer
from mycelium.routing.engine import RoutingEngine
from mycelium.wire.announcement import Announcement
from mycelium.wire.batch import PacketBatch
from mycelium.wire.datagram import SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305
from mycelium.wire.train import ITEM_HEADER_BYTES
from sim.events import NEVER
from sim.journal import CHANGE, DOWN, RECEIVE, UP, WAKE
from sim.link import Link
from sim.mesh import Mesh
from sim.nat import Nat, NatModel
from sim.null_crypto import NullIdentity, NullPrimitives, is_null_signed

PORT: Final = 9651
UNDERLAY_OVERHEAD: Final = 48  # IPv6 and UDP headers
SUITES: Final = SUITE_AES_256_GCM | SUITE_CHACHA20_POLY1305


class NodeMeshSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What this fidelity can be told."""

    real_crypto: bool = False  # real ciphers and signatures in place of null ones of equal size


class Host:
    """A node, its place on the underlay, and what it has done in all its lives."""

    __slots__ = (
        "bytes_sent",
        "datagrams_sent",
        "due",
        "generation",
        "identity",
        "index",
        "messages",
        "nat",
        "node",
        "peers",
        "said",
        "version",
    )

    def __init__(self, index: int, identity: Identity) -> None:
        self.index = index
        self.identity = identity
        self.node: Node | None = None
        self.generation = 0  # of its address
        self.nat: Nat | None = None
        self.peers: list[int] = []  # those that it dials
        self.due = NEVER
        self.version = 0
        self.said = 0  # control messages that were no digests, in this life, when last looked at
        self.messages = 0  # control messages of earlier lives
        self.bytes_sent = 0
        self.datagrams_sent = 0

    @property
    def name(self) -> str:
        """Its address on the underlay: a /64 of its own, as different sites have."""
        return f"fd00:{self.index:x}:{self.generation:x}::1"


class NodeMesh(Mesh):
    """The mesh of `node` fidelity."""

    def __init__(self, *, seed: int, link_defaults: dict[str, float], settings: NodeMeshSettings) -> None:
        super().__init__(seed=seed, link_defaults=link_defaults)
        self._null = None if settings.real_crypto else NullPrimitives()
        self._primitives: Primitives = self._null or RealPrimitives()
        self._verify = is_signed if self._null is None else is_null_signed
        self._hosts: dict[int, Host] = {}
        self._host_at: dict[str, Host] = {}  # by underlay address
        self._batch = PacketBatch()
        self.receive_packet: Callable[[int, bytes], None] = lambda node, packet: None  # who takes what nodes deliver

    # Nodes.

    def start(self, node: int, *, epoch: int | None = None) -> None:
        self.epochs[node] = epoch = self.next_epoch(node) if epoch is None else epoch
        host = self._host(node)
        rng = Random(f"{self.seed}/node/{node}/{epoch}")
        host.node = Node(
            host.identity,
            settings=NodeSettings(suites=SUITES),
            epoch=epoch,
            entropy=rng.randbytes,
            rng=rng,
            primitives=self._primitives,
            now=self.now,
            verify=self._verify,
        )
        host.version = host.said = 0
        self.tables[host.identity.address] = host.node.routing.forwarding.next_hop
        self.journal.note(self.now, CHANGE, node, -1, epoch)
        for peer in host.peers:
            host.node.add_peer(self._url(peer), now=self.now)
        self._after_event(host)
        self._tell_links_changed()

    def stop(self, node: int) -> None:
        host = self._host(node)
        assert host.node is not None
        host.messages = self.messages_sent(node)
        host.node = None
        host.due = NEVER
        del self.tables[host.identity.address]
        self.journal.note(self.now, CHANGE, node, -1, 0)
        self._tell_links_changed()

    def engine(self, node: int) -> RoutingEngine | None:
        found = self._hosts[node].node
        return None if found is None else found.routing

    def node(self, node: int) -> Node | None:
        """Returns a whole node, None while it is down."""
        return self._hosts[node].node

    def address(self, node: int) -> bytes:
        return self._hosts[node].identity.address

    def is_signed(self, address: bytes, announcement: Announcement) -> bool:
        return address_of_signing_key(announcement.signing_public_key) == address and self._verify(announcement)

    def bytes_sent(self, node: int) -> int:
        return self._hosts[node].bytes_sent

    def messages_sent(self, node: int) -> int:
        host = self._hosts[node]
        if host.node is None:
            return host.messages
        counters = host.node.routing.counters
        return host.messages + counters.updates_sent + counters.retractions_sent + counters.requests_sent

    def put_behind_nat(self, node: int, model: NatModel) -> None:
        """Puts a NAT before a node that has not been started."""
        self._host(node).nat = Nat(model)

    def roam(self, node: int) -> None:
        """Gives a node another address on the underlay; nobody is told, and its old one is nobody's."""
        host = self._hosts[node]
        del self._host_at[host.name]
        host.generation += 1
        self._host_at[host.name] = host
        if host.nat is not None:
            host.nat = Nat(host.nat.model)
        self.journal.note(self.now, CHANGE, node, -1, host.generation)

    def _host(self, index: int) -> Host:
        known = self._hosts.get(index)
        if known is None:
            seed = blake2b(f"{self.seed}/identity/{index}".encode(), size=32)
            identity = Identity(seed) if self._null is None else NullIdentity(seed)
            if self._null is not None:
                self._null.introduce(identity)
            known = self._hosts[index] = Host(index, identity)
            self._host_at[known.name] = known
            self.index_of[identity.address] = index
        return known

    def _url(self, node: int) -> str:
        return f"udp://[{self._hosts[node].name}]:{PORT}"

    # Links.

    def add_link(self, one: int, other: int, *, delay_s: float, cost: int | None = None) -> Link:
        link = super().add_link(one, other, delay_s=delay_s, cost=cost)
        dialler, dialled = self._host(one), self._host(other)
        if dialled.nat is not None and dialler.nat is None:
            dialler, dialled = dialled, dialler
        dialler.peers.append(dialled.index)
        if dialler.node is not None:
            dialler.node.add_peer(self._url(dialled.index), now=self.now)
            self._after_event(dialler)
        return link

    def remove_link(self, one: int, other: int) -> None:
        super().remove_link(one, other)
        for node, neighbour in ((one, other), (other, one)):
            host = self._hosts[node]
            if neighbour in host.peers:
                host.peers.remove(neighbour)
                if host.node is not None:
                    host.node.remove_peer(self._url(neighbour), now=self.now)
                    self._after_event(host)

    def cut(self, one: int, other: int, *, one_way: bool = False) -> None:
        link = self.link(one, other)
        link.directions[one].is_open = False
        if not one_way:
            link.directions[other].is_open = False
        self.journal.note(self.now, CHANGE, one, other, 0)
        self._tell_links_changed()

    def mend(self, one: int, other: int) -> None:
        self.link(one, other).open()
        self.journal.note(self.now, CHANGE, one, other, 1)
        self._tell_links_changed()

    def reshape(self, one: int, other: int, *, cost: int | None = None, **changes: float) -> None:
        if cost is not None:
            raise ConfigError("whole nodes measure what a link costs: change its delay or its loss")
        for direction in self.link(one, other).directions.values():
            direction.model = direction.model.changed(**changes)
        self.journal.note(self.now, CHANGE, one, other, 2)

    def carries(self, node: int, hop: int) -> bool:
        link = self.links.get((min(node, hop), max(node, hop)))
        return link is not None and link.directions[node].is_open and self._has(node, hop) and self._has(hop, node)

    def _has(self, node: int, neighbour: int) -> bool:
        found = self._hosts[node].node
        link = None if found is None else found.links.get(self.address(neighbour))
        return link is not None and link.reported is not LinkState.DOWN

    # Packets and datagrams.

    def send_packet(self, node: int, packet: bytes) -> None:
        """Has an application on a running node send an IPv6 packet."""
        host = self._hosts[node]
        if host.node is None:
            return
        end = ITEM_HEADER_BYTES + len(packet)
        self._batch.buffer[ITEM_HEADER_BYTES:end] = packet
        self._batch.slots = [(ITEM_HEADER_BYTES, end, 0, 0)]
        host.node.send_packets(self._batch, now=self.now)
        self._after_event(host)

    def _transmit(self, host: Host, endpoint: Endpoint, data: bytes, segment_size: int) -> None:
        """Sends datagrams of equal size; those that arrive together are handed over together."""
        receiver = self._host_at.get(endpoint.host)
        host.bytes_sent += len(data)
        host.datagrams_sent += -(-len(data) // segment_size)
        source = Endpoint("udp", host.name, PORT if host.nat is None else host.nat.send(endpoint, self.now))
        link = None if receiver is None else self.links.get(_pair(host.index, receiver.index))
        if receiver is None or link is None:
            return
        direction = link.directions[host.index]
        together: dict[float, bytes] = {}
        for start in range(0, len(data), segment_size):
            datagram = data[start : start + segment_size]
            for arrival in direction.arrivals(len(datagram) + UNDERLAY_OVERHEAD, self.now):
                together[arrival] = together.get(arrival, b"") + datagram
        for arrival, burst in together.items():
            self.heap.at(arrival, self._arrive, source, endpoint, burst, segment_size)

    def _arrive(self, source: Endpoint, endpoint: Endpoint, burst: bytes, segment_size: int) -> None:
        host = self._host_at.get(endpoint.host)
        if host is None or host.node is None:
            return
        if host.nat is not None and not host.nat.admits(endpoint.port, source, self.now):
            return
        self.journal.note(self.now, RECEIVE, host.index, segment_size, len(burst))
        host.node.receive(source, memoryview(bytearray(burst)), min(segment_size, len(burst)), now=self.now)
        self._after_event(host)

    def _wake(self, host: Host, node: Node, due: float) -> None:
        if host.due != due or host.node is not node:
            return
        host.due = NEVER
        node.handle_timeout(now=self.now)
        self.journal.note(self.now, WAKE, host.index, -1, host.version)
        self._after_event(host)

    def _after_event(self, host: Host) -> None:
        """Empties a node's outbox, lets watchers look, and arms its timer."""
        node = host.node
        assert node is not None
        while node.outbox.transmits or node.outbox.events or node.outbox.deliveries:
            self._drain(host, node)
        engine = node.routing
        counters = engine.counters
        said = counters.updates_received + counters.requests_received
        if said != host.said:
            host.said = said
            self.last_activity = self.now
        if engine.forwarding.version != host.version:
            host.version = engine.forwarding.version
            for watcher in self.watchers:
                watcher.routes_changed(host.index)
            engine.changes.clear()
        else:
            for watcher in self.watchers:
                watcher.node_heard(host.index)
        deadline = node.next_deadline()
        if deadline < host.due:
            host.due = deadline = max(deadline, self.now)
            self.heap.at(deadline, self._wake, host, node, deadline)

    def _drain(self, host: Host, node: Node) -> None:
        outbox = node.outbox
        for endpoint, buffers, segment_size in outbox.transmits:
            self._transmit(host, endpoint, b"".join(buffers), segment_size)
        delivered = [bytes(packet) for packet, _, _ in outbox.deliveries]
        events = list(outbox.events)
        outbox.clear()
        for event in events:
            self._take_event(host, node, event)
        for packet in delivered:
            self.receive_packet(host.index, packet)

    def _take_event(self, host: Host, node: Node, event: Event) -> None:
        if isinstance(event, ResolvePeer):
            name = event.url.removeprefix("udp://[").partition("]")[0]
            node.peer_resolved(event.url, [Endpoint("udp", name, PORT)], now=self.now)
            return
        assert isinstance(event, LinkUp | LinkDown)  # beacons are for nodes that were told to discover
        kind = UP if isinstance(event, LinkUp) else DOWN
        self.journal.note(self.now, kind, host.index, self.index_of[event.address], 0)
        self._tell_links_changed()


def _pair(one: int, other: int) -> tuple[int, int]:
    return min(one, other), max(one, other)
