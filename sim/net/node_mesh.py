"""Hundreds of whole nodes: handshakes, sessions, liveness, forwarding and traffic, in memory and in virtual time.

Each node has one address on the underlay, or one at each of its uplinks, perhaps behind a NAT. A link between two nodes is
where datagrams between their addresses go; one of its ends has the other in its peer list. What a link costs, and that it is
dead, nodes find out themselves.
"""

import math
from collections.abc import Callable
from random import Random
from typing import Final

from msgspec import Struct

from mycelium.crypto.primitives import Primitives, RealPrimitives
from mycelium.endpoint import Endpoint, Lost
from mycelium.errors import ConfigError
from mycelium.identity import SEED_BYTES, Identity, blake2b
from mycelium.link.link import LinkState
from mycelium.node.event_kind import EventKind
from mycelium.node.node import Node, is_signed
from mycelium.node.settings import NodeSettings
from mycelium.outbox import ResolvePeer
from mycelium.packet.batch import PacketBatch
from mycelium.routing.engine import RoutingEngine
from mycelium.wire.announcement import Announcement
from mycelium.wire.datagram import SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305
from mycelium.wire.train import ITEM_HEADER_BYTES
from sim.net.events import NEVER
from sim.net.host import Host
from sim.net.journal import CHANGE, DOWN, RECEIVE, UP, WAKE
from sim.net.link import Link
from sim.net.mesh import Mesh
from sim.net.nat import Nat, NatModel
from sim.net.null_crypto import NullIdentity, NullPrimitives, is_null_signed

PORT: Final = 9651
UNDERLAY_OVERHEAD: Final = 48  # IPv6 and UDP headers
LOST_AFTER_S: Final = 0.005  # a kernel that has lost an interface or an address tells its node within this time, ...
TOLD_AFTER_S: Final = 0.05  # ... and what all has changed, put together, after this
DETOUR: Final = 1.2  # a way that takes so much longer than another is clearly worse
TICK_S: Final = 0.005  # within this time after traffic a driver looks at the timers
SUITES: Final = SUITE_AES_256_GCM | SUITE_CHACHA20_POLY1305


class NodeMeshSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What this fidelity can be told."""

    real_crypto: bool = False  # real ciphers and signatures in place of null ones of equal size


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
        self.alternate_delay_factor = 0.0  # of second uplinks, which all nodes have unless it is 0
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
        host.version = host.said = host.noted = 0
        self.tables[host.identity.address] = host.node.routing.forwarding.next_hop
        self.journal.note(self.now, CHANGE, node, -1, epoch)
        for peer in host.peers:
            host.node.add_peer(_url(peer), now=self.now)
        self._note_broken(node)
        self._after_event(host)
        self._tell_links_changed()

    def stop(self, node: int, *, says_goodbye: bool = False) -> None:
        host = self._host(node)
        assert host.node is not None
        if says_goodbye:
            host.node.close(now=self.now)
            self._drain(host, host.node)
        host.messages = self.messages_sent(node)
        host.hop_limit_deaths += _hop_limit_deaths(host.node)
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
        key = self._hosts[self.index_of[address]].identity.signing_public_key
        return announcement.signing_public_key == key and self._verify(announcement)

    def bytes_sent(self, node: int) -> int:
        return self._hosts[node].bytes_sent

    def messages_sent(self, node: int) -> int:
        host = self._hosts[node]
        if host.node is None:
            return host.messages
        counters = host.node.routing.counters
        return host.messages + counters.updates_sent + counters.retractions_sent + counters.requests_sent

    def hop_limit_deaths(self) -> int:
        """Returns how many trains have died of their hop limit, at any node."""
        dead = sum(host.hop_limit_deaths for host in self._hosts.values())
        return dead + sum(_hop_limit_deaths(host.node) for host in self._hosts.values() if host.node is not None)

    def put_behind_nat(self, node: int, model: NatModel) -> None:
        """Puts a NAT before a node that has not been started."""
        self._host(node).nat = Nat(model)

    def roam(self, node: int, *, is_told: bool = False) -> None:
        """Gives a node other addresses on the underlay, and its old ones are nobody's; its kernel may tell it."""
        host = self._hosts[node]
        for name in host.names:
            del self._host_at[name]
        host.move()
        self._host_at.update(dict.fromkeys(host.names, host))
        if host.nat is not None:
            host.nat = Nat(host.nat.model)
        self._note_broken(node)
        self.journal.note(self.now, CHANGE, node, -1, host.generation)
        if is_told:
            self._tell(node, [other for edge in self.links if node in edge for other in edge if other != node])

    def rebind(self, node: int) -> None:
        """Has the NAT before a node forget all mappings, as when it restarts: what the node sends leaves from other ports."""
        host = self._hosts[node]
        if host.nat is None:
            raise ConfigError(f"node {node} is behind no NAT")
        host.nat.forget()
        self._note_broken(node)
        self.journal.note(self.now, CHANGE, node, -1, 0)

    def starve(self, node: int, seconds: float) -> None:
        """Keeps a node from being run: what comes for it meanwhile waits, and its timers are late."""
        host = self._hosts[node]
        host.asleep_until = max(host.asleep_until, self.now + seconds)

    def _note_broken(self, node: int) -> None:
        for edge, link in self.links.items():
            if node in edge:
                link.broken_at = self.now

    def _tell(self, node: int, neighbours: list[int]) -> None:
        """What daemons do when their kernels tell that the ways to these neighbours are gone, and others there perhaps."""
        host = self._hosts[node]
        self.heap.after(LOST_AFTER_S, self._ways_lost, host, host.node, neighbours)
        self.heap.after(TOLD_AFTER_S, self._network_changed, host, host.node)

    def _ways_lost(self, host: Host, node: Node | None, neighbours: list[int]) -> None:
        if node is None or host.node is not node:
            return
        for neighbour in neighbours:
            self.link(host.index, neighbour).broken_at = self.now
        links = [node.links.get(self.address(neighbour)) for neighbour in neighbours]
        for endpoint in [endpoint for link in links if link is not None for endpoint in link.paths]:
            node.host_lost(Lost(endpoint=endpoint), now=self.now)
        self._after_event(host)

    def _network_changed(self, host: Host, node: Node | None) -> None:
        if node is not None and host.node is node:
            node.network_changed(now=self.now)
            self._after_event(host)

    def _host(self, index: int) -> Host:
        known = self._hosts.get(index)
        if known is None:
            seed = identity_seed(self.seed, index)
            identity = Identity(seed) if self._null is None else NullIdentity(seed)
            if self._null is not None:
                self._null.introduce(identity)
            known = self._hosts[index] = Host(index, identity, uplinks=2 if self.alternate_delay_factor else 1)
            self._host_at.update(dict.fromkeys(known.names, known))
            self.index_of[identity.address] = index
        return known

    # Links.

    def add_link(self, one: int, other: int, *, delay_s: float, cost: int | None = None) -> Link:
        link = super().add_link(one, other, delay_s=delay_s, cost=cost)
        dialler, dialled = self._host(one), self._host(other)
        if dialled.nat is not None and dialler.nat is None:
            dialler, dialled = dialled, dialler
        dialler.peers.append(dialled.index)
        if dialler.node is not None:
            dialler.node.add_peer(_url(dialled.index), now=self.now)
            self._after_event(dialler)
        if self.alternate_delay_factor:
            model = link.directions[one].model.changed(delay_s=delay_s * self.alternate_delay_factor)
            link.alternate = Link(link.low, link.high, model, self.rng(f"alternate/{link.low}/{link.high}"))
            link.close()
        return link

    def remove_link(self, one: int, other: int) -> None:
        super().remove_link(one, other)
        for node, neighbour in ((one, other), (other, one)):
            host = self._hosts[node]
            if neighbour in host.peers:
                host.peers.remove(neighbour)
                if host.node is not None:
                    host.node.remove_peer(_url(neighbour), now=self.now)
                    self._after_event(host)

    def cut(self, one: int, other: int, *, one_way: bool = False, is_told: bool = False) -> None:
        link = self.link(one, other)
        for lane in link.lanes():
            lane.directions[one].is_open = False
            if not one_way:
                lane.directions[other].is_open = False
        self.journal.note(self.now, CHANGE, one, other, 0)
        if is_told:
            self._tell(one, [other])
            self._tell(other, [one])
        self._tell_links_changed()

    def cut_lane(self, one: int, other: int) -> None:
        """Cuts silently, of the two ways between the uplinks of two nodes, the one that `one` uses."""
        lane = self.link(one, other).lanes()[self._lane_in_use(one, other) or 0]
        lane.directions[one].is_open = lane.directions[other].is_open = False
        self.journal.note(self.now, CHANGE, one, other, 3)
        self._tell_links_changed()

    def detours(self) -> list[tuple[int, int]]:
        """Returns (node, neighbour) where a node uses a way that takes clearly longer than another that is open."""
        found = []
        for low, high in self.links:
            lanes = self.link(low, high).lanes()
            best_s = min((lane.round_trip_s for lane in lanes if lane.is_open), default=math.inf)
            for node, neighbour in ((low, high), (high, low)):
                used = self._lane_in_use(node, neighbour)
                if used is not None and lanes[used].round_trip_s > DETOUR * best_s:
                    found.append((node, neighbour))
        return found

    def _lane_in_use(self, node: int, neighbour: int) -> int | None:
        host = self._hosts[node]
        link = None if host.node is None else host.node.links.get(self.address(neighbour))
        names = self._hosts[neighbour].names
        return (
            names.index(link.active.endpoint.host) if link is not None and link.active.endpoint.host in names else None
        )

    def mend(self, one: int, other: int) -> None:
        link = self.link(one, other)
        link.open()
        link.broken_at = self.now
        self.journal.note(self.now, CHANGE, one, other, 1)
        self._tell_links_changed()

    def reshape(self, one: int, other: int, *, cost: int | None = None, **changes: float) -> None:
        if cost is not None:
            raise ConfigError("whole nodes measure what a link costs: change its delay or its loss")
        for lane in self.link(one, other).lanes():
            for direction in lane.directions.values():
                direction.model = direction.model.changed(**changes)
        self.journal.note(self.now, CHANGE, one, other, 2)

    def carries(self, node: int, hop: int) -> bool:
        link = self.links.get((min(node, hop), max(node, hop)))
        return link is not None and link.carries(node) and self._has(node, hop) and self._has(hop, node)

    def _has(self, node: int, neighbour: int) -> bool:
        found = self._hosts[node].node
        link = None if found is None else found.links.get(self.address(neighbour))
        return link is not None and link.state is not LinkState.DOWN

    # Packets and datagrams.

    def send_packets(self, node: int, packets: list[bytes]) -> None:
        """Has applications on a running node send IPv6 packets, as many as one read of TUN may bring."""
        host = self._hosts[node]
        if host.node is None:
            return
        if host.asleep_until > self.now:
            self.heap.at(host.asleep_until, self.send_packets, node, packets)
            return
        batch, end = self._batch, 0
        batch.slots = []
        for packet in packets:
            start = end + ITEM_HEADER_BYTES
            end = start + len(packet)
            batch.buffer[start:end] = packet
            batch.slots.append((start, end, 0, 0))
        host.node.send_packets(self._batch, now=self.now)
        self._after_traffic(host, host.node)

    def _transmit(self, host: Host, endpoint: Endpoint, data: bytes, segment_size: int) -> None:
        """Sends datagrams of equal size; those that arrive together are handed over together."""
        receiver = self._host_at.get(endpoint.host)
        lane = 0 if receiver is None else min(receiver.names.index(endpoint.host), len(host.names) - 1)
        host.bytes_sent += len(data)
        host.datagrams_sent += -(-len(data) // segment_size)
        source = Endpoint("udp", host.names[lane], PORT if host.nat is None else host.nat.send(endpoint, self.now))
        link = None if receiver is None else self.links.get(_pair(host.index, receiver.index))
        if receiver is None or link is None:
            return
        direction = link.lanes()[lane].directions[host.index]
        together: dict[float, bytes] = {}
        for start in range(0, len(data), segment_size):
            datagram = data[start : start + segment_size]
            for arrival in direction.arrivals(len(datagram) + UNDERLAY_OVERHEAD, self.now):
                together[arrival] = together.get(arrival, b"") + datagram
        for arrival, burst in together.items():
            self.heap.at(arrival, self._arrive, source, endpoint, burst, segment_size, arrival)

    def _arrive(self, source: Endpoint, endpoint: Endpoint, burst: bytes, segment_size: int, arrival: float) -> None:
        host = self._host_at.get(endpoint.host)
        if host is None or host.node is None:
            return
        if host.asleep_until > self.now:
            self.heap.at(host.asleep_until, self._arrive, source, endpoint, burst, segment_size, arrival)
            return
        if host.nat is not None and not host.nat.admits(endpoint.port, source, self.now):
            return
        self.journal.note(self.now, RECEIVE, host.index, segment_size, len(burst))
        data, waited_s = memoryview(bytearray(burst)), self.now - arrival
        host.node.receive(source, data, min(segment_size, len(burst)), now=self.now, waited_s=waited_s)
        self._after_traffic(host, host.node)

    def _wake(self, host: Host, node: Node, due: float) -> None:
        if host.due != due or host.node is not node:
            return
        if host.asleep_until > self.now:
            host.due = host.asleep_until
            self.heap.at(host.due, self._wake, host, node, host.due)
            return
        host.due = NEVER
        deadline = node.next_deadline()
        if deadline > self.now:
            self._arm(host, node, deadline)
            return
        node.handle_timeout(now=self.now)
        self.journal.note(self.now, WAKE, host.index, -1, host.version)
        self._after_event(host)

    def _after_event(self, host: Host) -> None:
        """Does what a driver does after it has told a node something, and arms the node's timer."""
        node = host.node
        assert node is not None
        self._hand_on(host, node)
        node.outbox.urgent_at = NEVER
        self._arm(host, node, node.next_deadline())

    def _after_traffic(self, host: Host, node: Node) -> None:
        """As `_after_event`, but as the daemon it looks at the timers a little later: asking for them takes long."""
        self._hand_on(host, node)
        self._arm(host, node, min(self.now + TICK_S, node.outbox.urgent_at))
        node.outbox.urgent_at = NEVER

    def _hand_on(self, host: Host, node: Node) -> None:
        """Empties a node's outbox and lets watchers look."""
        while node.outbox.transmits or node.outbox.events or node.outbox.deliveries:
            self._drain(host, node)
        if node.journal.newest != host.noted:
            self._follow_journal(host, node)
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

    def _arm(self, host: Host, node: Node, deadline: float) -> None:
        if deadline < host.due:
            host.due = deadline = max(deadline, self.now)
            self.heap.at(deadline, self._wake, host, node, deadline)

    def _drain(self, host: Host, node: Node) -> None:
        outbox = node.outbox
        for endpoint, buffers, segment_size, _ in outbox.transmits:
            self._transmit(host, endpoint, b"".join(buffers), segment_size)
        delivered = [bytes(packet) for packet, _, _ in outbox.deliveries]
        events = list(outbox.events)
        outbox.clear()
        for event in events:
            assert isinstance(event, ResolvePeer)  # beacons are for nodes that were told to discover
            peer = self._hosts[_named(event.url)]
            node.peer_resolved(event.url, [Endpoint("udp", name, PORT) for name in peer.names], now=self.now)
        for packet in delivered:
            self.receive_packet(host.index, packet)

    def _follow_journal(self, host: Host, node: Node) -> None:
        """Tells watchers of the links that have come up and gone down since the last call."""
        entries = node.journal.after(host.noted)
        host.noted = node.journal.newest
        for entry in entries:
            if entry.node is None or entry.kind not in (EventKind.LINK_UP, EventKind.LINK_DOWN):
                continue
            neighbour = self.index_of[entry.node]
            self.journal.note(self.now, UP if entry.kind is EventKind.LINK_UP else DOWN, host.index, neighbour, 0)
            self._tell_links_changed()
            if entry.kind is EventKind.LINK_DOWN:
                link = node.links.get(entry.node) if entry.cause == "silent" else None
                is_false = link is not None and self._has_carried(host, neighbour, link.silent_since())
                for watcher in self.watchers:
                    watcher.link_lost(host.index, neighbour, entry.cause or "", is_false=is_false)

    def _has_carried(self, host: Host, neighbour: int, since: float) -> bool:
        """Tells whether the link between them has carried both ways all the time since then, and the other one was there."""
        link = self.links.get(_pair(host.index, neighbour))
        return link is not None and link.is_open and self._hosts[neighbour].node is not None and link.broken_at < since


def _url(node: int) -> str:
    """A peer by its name, which leads to wherever the node is."""
    return f"udp://n{node}:{PORT}"


def _named(url: str) -> int:
    return int(url.removeprefix("udp://n").partition(":")[0])


def _hop_limit_deaths(node: Node) -> int:
    return node.dataplane_counters.trains_hop_limit


def identity_seed(seed: int, node: int) -> bytes:
    """Returns the secret of a node's identity in a mesh of some seed; a daemon that has it is the same node."""
    return blake2b(f"{seed}/identity/{node}".encode(), size=SEED_BYTES)


def _pair(one: int, other: int) -> tuple[int, int]:
    return min(one, other), max(one, other)
