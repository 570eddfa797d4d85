"""The mesh of `node` fidelity: hundreds of whole nodes with their handshakes, sessions, liveness, forwarding and traffic.

Each node has one underlay address per uplink and can be behind a NAT. A link is the wires between the addresses of two nodes;
one of the nodes has the other as a configured peer. Nodes measure the cost of links and detect dead ones themselves.
"""

import math
from collections.abc import Callable, Iterator
from ipaddress import IPv6Address
from random import Random
from typing import Final

from msgspec import Struct, structs

from mycelium.endpoint import Lost
from mycelium.errors import ConfigError
from mycelium.identity import SEED_BYTES, Identity, blake2b
from mycelium.limits import ROUTES
from mycelium.link.link import Link, LinkState
from mycelium.node.announcing import is_signed
from mycelium.node.event_kind import EventKind
from mycelium.node.node import Node
from mycelium.routing.engine import RoutingEngine
from mycelium.routing.parameters import RoutingParameters
from mycelium.wire.announcement import Announcement

from .driver import Packet, VirtualDriver
from .link import SimLink, Wire
from .lying_node import SWING_S, Credulous, LyingEngine, corrupt, settings_of
from .mesh import Mesh
from .nat import Nat, NatModel
from .network import VirtualHost, VirtualNetwork, url_of
from .null_crypto import NullIdentity, NullPrimitives, is_null_signed
from .run_log import CHANGE, DOWN, UP
from .ways import Ways

LOST_AFTER_S: Final = 0.005  # from the loss of an interface or address to the kernel's notification of the node
TOLD_AFTER_S: Final = 0.05  # from a change of the host's network to the kernel's last notification
DETOUR: Final = 1.2  # ratio of round trips from which a lane counts as a detour


class NodeMeshSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of this fidelity."""

    real_crypto: bool = False  # real ciphers and signatures, not null ones of the same sizes
    is_credulous: bool = False  # nodes do not find out that what they send does not arrive
    routing: RoutingParameters = RoutingParameters(scope=ROUTES)


class MeshHost(VirtualHost):
    """A host of the mesh. It reports to the mesh what its node does."""

    __slots__ = ("generation", "hop_limit_deaths", "mesh", "messages", "noted", "said", "uplinks", "version")

    def __init__(self, mesh: "NodeMesh", index: int, identity: Identity, *, uplinks: int) -> None:
        self.mesh = mesh
        self.uplinks = uplinks
        self.generation = 0  # number of its present addresses; grows when it moves
        self.version = 0  # of the forwarding table when watchers last looked
        self.said = 0  # control messages received in this life, digests excepted, when last looked at
        self.noted = 0  # newest entry of the node's journal when last looked at
        self.messages = 0  # control messages of earlier lives
        self.hop_limit_deaths = 0  # of trains, in earlier lives
        addresses = self._addresses(index)
        super().__init__(mesh.network, f"n{index}", index=index, identity=identity, addresses=addresses)

    def next_addresses(self) -> list[str]:
        """Returns addresses that the host has not had before."""
        self.generation += 1
        return self._addresses(self.index)

    def _addresses(self, index: int) -> list[str]:
        """Returns one address per uplink, each in a /64 of its own as at different sites."""
        texts = (f"fd00:{index:x}:{self.generation:x}:{uplink:x}::1" for uplink in range(self.uplinks))
        return [str(IPv6Address(text)) for text in texts]  # as nodes write what they hear of each other

    def deliver(self, packets: list[Packet]) -> None:
        for packet, _, _ in packets:
            self.mesh.receive_packet(self.index, packet)

    def called(self) -> None:
        self.mesh.look_at(self)


class NodeMesh(Mesh):
    """The mesh of `node` fidelity."""

    def __init__(self, *, seed: int, link_defaults: dict[str, float], settings: NodeMeshSettings) -> None:
        super().__init__(seed=seed, link_defaults=link_defaults)
        self._is_credulous = settings.is_credulous
        self.scope, self._routing = settings.routing.scope, settings.routing
        self._null = None if settings.real_crypto else NullPrimitives()
        self._verify = is_signed if self._null is None else is_null_signed
        self.network = VirtualNetwork(self.heap, log=self.log, primitives=self._null, verify=self._verify)
        self._hosts: dict[int, MeshHost] = {}
        self.shortcuts = Ways(self._hosts, self.links, self.network.host_at)
        self.alternate_delay_factor = 0.0  # of links between second uplinks; 0: hosts have one uplink
        # whether nodes look for shortcuts, and those without a NAT lease ports, from their start on
        self.has_shortcuts = False
        self.receive_packet: Callable[[int, bytes], None] = lambda node, packet: None  # called with what nodes deliver

    # Nodes.

    def start(self, node: int, *, epoch: int | None = None) -> None:
        self.epochs[node] = epoch = self.next_epoch(node) if epoch is None else epoch
        host = self._host(node)
        host.version = host.said = host.noted = 0
        self.log.note(CHANGE, node, -1, epoch, now=self.now)
        self._note_broken(node)
        host.offers_leases = self.has_shortcuts and host.nat is None
        settings = settings_of(self.liars.get(node), shortcuts=self.has_shortcuts, routing=self._routing)
        host.start(epoch=epoch, rng=Random(f"{self.seed}/node/{node}/{epoch}"), settings=settings)
        if self._is_credulous:
            host.node.reachability.__class__ = Credulous
        if node in self.liars:
            self._corrupt(host, self.liars[node])
        self.tables[host.address] = host.node.routing.forwarding.next_hop
        self._tell_links_changed()

    def _corrupt(self, host: MeshHost, how: str) -> None:
        corrupt(host.node, how)
        if how == "swing":
            self.heap.after(SWING_S, self._swing, host.running)

    def _swing(self, driver: VirtualDriver) -> None:
        if isinstance(driver.node.routing, LyingEngine):
            driver.act(driver.node.routing.swing)
            self.heap.after(SWING_S, self._swing, driver)

    def stop(self, node: int, *, says_goodbye: bool = False) -> None:
        host = self._host(node)
        host.messages = self.messages_sent(node)
        host.hop_limit_deaths += _hop_limit_deaths(host.node)
        host.stop(says_goodbye=says_goodbye)
        del self.tables[host.address]
        self.log.note(CHANGE, node, -1, 0, now=self.now)
        self._tell_links_changed()

    def engine(self, node: int) -> RoutingEngine | None:
        found = self.node(node)
        return None if found is None else found.routing

    def node(self, node: int) -> Node | None:
        """Returns a node, None while it is stopped."""
        driver = self._hosts[node].driver
        return None if driver is None else driver.node

    def address(self, node: int) -> bytes:
        return self._hosts[node].address

    def is_signed(self, address: bytes, announcement: Announcement) -> bool:
        key = self._hosts[self.index_of[address]].identity.signing_public_key
        return announcement.signing_public_key == key and self._verify(announcement)

    def bytes_sent(self, node: int) -> int:
        return self._hosts[node].bytes_sent

    def messages_sent(self, node: int) -> int:
        host, engine = self._hosts[node], self.engine(node)
        if engine is None:
            return host.messages
        counters = engine.counters
        return host.messages + counters.updates_sent + counters.retractions_sent + counters.requests_sent

    def hop_limit_deaths(self) -> int:
        """Returns how many trains all nodes have dropped because of the hop limit."""
        dead = sum(host.hop_limit_deaths for host in self._hosts.values())
        return dead + sum(_hop_limit_deaths(host.node) for host in self._hosts.values() if host.driver is not None)

    def put_behind_nat(self, node: int, model: NatModel) -> None:
        """Puts a node that has not been started behind a NAT."""
        self._host(node).nat = Nat(model)

    def roam(self, node: int, *, is_told: bool = False) -> None:
        """Gives a node new underlay addresses in place of its old ones; its kernel notifies it if `is_told`."""
        host = self._hosts[node]
        host.move(host.next_addresses())
        if host.nat is not None:
            host.nat = Nat(host.nat.model)
        self._note_broken(node)
        self.log.note(CHANGE, node, -1, host.generation, now=self.now)
        if is_told:
            self._tell(
                node, [other for edge in (*self.links, *self.ways) if node in edge for other in edge if other != node]
            )

    def rebind(self, node: int) -> None:
        """Makes the NAT of a node forget all mappings, so that its datagrams come from other ports."""
        host = self._hosts[node]
        if host.nat is None:
            raise ConfigError(f"node {node} is not behind a NAT")
        host.nat.forget()
        self._note_broken(node)
        self.log.note(CHANGE, node, -1, 0, now=self.now)

    def starve(self, node: int, seconds: float) -> None:
        """Suspends the process of a running node: what arrives waits, and timers are late."""
        self._hosts[node].running.starve(seconds)

    def send_packets(self, node: int, packets: list[bytes]) -> None:
        """Sends IPv6 packets from applications on a node, all in one read of its TUN device; does nothing if it is stopped."""
        driver = self._hosts[node].driver
        if driver is not None:
            driver.send_packets([(packet, 0, 0) for packet in packets])

    def _note_broken(self, node: int) -> None:
        for edge, link in self.links.items():
            if node in edge:
                link.broken_at = self.now

    def _tell(self, node: int, neighbours: list[int]) -> None:
        """Notifies a node, as the kernel does, that its paths to these neighbours are lost and that its network has changed."""
        driver = self._hosts[node].driver
        if driver is not None:
            self.heap.after(LOST_AFTER_S, self._paths_lost, driver, node, neighbours)
            self.heap.after(TOLD_AFTER_S, self._network_changed, driver, node)

    def _network_changed(self, driver: VirtualDriver, node: int) -> None:
        if self._hosts[node].driver is driver:
            self._hosts[node].network_changed()

    def _paths_lost(self, driver: VirtualDriver, node: int, neighbours: list[int]) -> None:
        if self._hosts[node].driver is not driver:
            return
        for neighbour in neighbours:
            self.link(node, neighbour).broken_at = self.now
        links = [driver.node.links.get(self.address(neighbour)) for neighbour in neighbours]
        for endpoint in [endpoint for link in links if link is not None for endpoint in link.paths.by_endpoint]:
            driver.act(driver.node.host_lost, Lost(endpoint=endpoint))

    def _host(self, index: int) -> MeshHost:
        known = self._hosts.get(index)
        if known is None:
            seed = identity_seed(self.seed, index)
            identity = Identity(seed) if self._null is None else NullIdentity(seed)
            if self._null is not None:
                self._null.introduce(identity)
            known = self._hosts[index] = MeshHost(
                self, index, identity, uplinks=2 if self.alternate_delay_factor else 1
            )
            self.index_of[identity.address] = index
        return known

    # Links.

    def add_link(self, one: int, other: int, *, delay_s: float, cost: int | None = None) -> SimLink:
        link = super().add_link(one, other, delay_s=delay_s, cost=cost)
        if self.alternate_delay_factor:
            model = structs.replace(link.directions[one].model, delay_s=delay_s * self.alternate_delay_factor)
            link.alternate = SimLink(link.low, link.high, model, self.rng(f"alternate/{link.low}/{link.high}"))
            link.close()
        dialler, dialled = self._host(one), self._host(other)
        if dialled.nat is not None and dialler.nat is None:
            dialler, dialled = dialled, dialler
        for pair, wire in self._wires(link):
            self.network.wires[pair] = wire
        dialler.add_peer(url_of(dialled.name))
        return link

    def remove_link(self, one: int, other: int) -> None:
        for pair, _ in self._wires(self.link(one, other)):
            del self.network.wires[pair]
        super().remove_link(one, other)
        for node, neighbour in ((one, other), (other, one)):
            url = url_of(self._hosts[neighbour].name)
            if url in self._hosts[node].peers:
                self._hosts[node].remove_peer(url)

    def _wires(self, link: SimLink) -> Iterator[tuple[tuple[str, str], Wire]]:
        """Yields (sending and receiving address, wire) for each lane of a link; a host with one uplink uses that for both."""
        low, high = self._hosts[link.low].addresses, self._hosts[link.high].addresses
        for lane, ways in enumerate(link.lanes()[: max(len(low), len(high))]):
            here, there = low[min(lane, len(low) - 1)], high[min(lane, len(high) - 1)]
            yield (here, there), ways.directions[link.low]
            yield (there, here), ways.directions[link.high]

    def cut(self, one: int, other: int, *, one_way: bool = False, is_told: bool = False) -> None:
        link = self.link(one, other)
        for lane in link.lanes():
            lane.directions[one].is_open = False
            if not one_way:
                lane.directions[other].is_open = False
        self.log.note(CHANGE, one, other, 0, now=self.now)
        if is_told:
            self._tell(one, [other])
            self._tell(other, [one])
        self._tell_links_changed()

    def cut_lane(self, one: int, other: int) -> None:
        """Silently cuts the lane of a link that `one` uses."""
        lane = self.link(one, other).lanes()[self._lane_in_use(one, other) or 0]
        lane.directions[one].is_open = lane.directions[other].is_open = False
        self.log.note(CHANGE, one, other, 3, now=self.now)
        self._tell_links_changed()

    def detours(self) -> list[tuple[int, int]]:
        """Returns (node, neighbour) for each node that uses a lane although another open one is clearly faster."""
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
        link = self._link_of(node, neighbour)
        addresses = self._hosts[neighbour].addresses
        if link is None or link.paths.active.endpoint.host not in addresses:
            return None
        return addresses.index(link.paths.active.endpoint.host)

    def mend(self, one: int, other: int) -> None:
        link = self.link(one, other)
        link.open()
        link.broken_at = self.now
        self.log.note(CHANGE, one, other, 1, now=self.now)
        self._tell_links_changed()

    def reshape(self, one: int, other: int, *, cost: int | None = None, **changes: float) -> None:
        if cost is not None:
            raise ConfigError("whole nodes measure the cost of a link: change its delay or its loss instead")
        for lane in self.link(one, other).lanes():
            for direction in lane.directions.values():
                direction.reshape(**changes)
        self.log.note(CHANGE, one, other, 2, now=self.now)

    def carries(self, node: int, hop: int) -> bool:
        link = self.links.get((min(node, hop), max(node, hop)))
        is_open = self.shortcuts.passes(node, hop) if link is None else link.carries(node)
        return is_open and self._uses(node, hop) and self._uses(hop, node)

    def add_way(self, one: int, other: int, *, delay_s: float) -> None:
        """Lets datagrams pass between two nodes that have no link, so that they may find a shortcut."""
        way = self._make_link(one, other, delay_s=delay_s)
        self.ways[way.low, way.high] = way
        way.open()
        for pair, wire in self._wires(way):
            self.network.wires[pair] = wire

    def _uses(self, node: int, neighbour: int) -> bool:
        link = self._link_of(node, neighbour)
        return link is not None and link.state is not LinkState.DOWN

    def _link_of(self, node: int, neighbour: int) -> Link | None:
        found = self.node(node)
        return None if found is None else found.links.get(self.address(neighbour))

    # Reports of the hosts.

    def look_at(self, host: MeshHost) -> None:
        """Reports to the watchers what a call of a node has changed."""
        if host.node.journal.newest != host.noted:
            self._follow_journal(host)
        engine = host.node.routing
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

    def _follow_journal(self, host: MeshHost) -> None:
        """Reports the links that have come up or gone down since the last call."""
        node = host.node
        entries = node.journal.after(host.noted)
        host.noted = node.journal.newest
        for entry in entries:
            if entry.node is None or entry.kind not in (EventKind.LINK_UP, EventKind.LINK_DOWN):
                continue
            neighbour = self.index_of[entry.node]
            self.log.note(UP if entry.kind is EventKind.LINK_UP else DOWN, host.index, neighbour, 0, now=self.now)
            self._tell_links_changed()
            if entry.kind is EventKind.LINK_DOWN:
                link = node.links.get(entry.node) if entry.cause == "silent" else None
                is_false = link is not None and self._has_carried(host.index, neighbour, link.silent_since)
                is_false = is_false and self.shortcuts.passes(host.index, neighbour)  # unless the neighbour has moved
                for watcher in self.watchers:
                    watcher.link_lost(host.index, neighbour, entry.cause or "", is_false=is_false)

    def _has_carried(self, node: int, neighbour: int, since: float) -> bool:
        """Tells whether the link has been open in both directions since then, with the neighbour running."""
        link = self.links.get((min(node, neighbour), max(node, neighbour)))
        return link is not None and link.is_open and self.node(neighbour) is not None and link.broken_at < since


def _hop_limit_deaths(node: Node) -> int:
    return node.dataplane_counters.trains_hop_limit


def identity_seed(seed: int, node: int) -> bytes:
    """Returns the secret seed of a node's identity, with which a daemon has the same address."""
    return blake2b(f"{seed}/identity/{node}".encode(), size=SEED_BYTES)
