"""The virtual network: hosts that run whole nodes, with underlay addresses and one-way wires from address to address.

It runs in one process and in virtual time. The simulator's mesh of whole nodes, the tests and the benchmarks use it.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from mycelium.crypto.primitives import Primitives
from mycelium.endpoint import Endpoint
from mycelium.identity import Identity
from mycelium.mapped_address import in_16_bytes
from mycelium.node.announcing import is_signed
from mycelium.node.node import Node
from mycelium.node.settings import NodeSettings
from mycelium.outbox import EchoAnswered, KnockDue, LeaseEvent
from mycelium.packet.batch import PacketBatch
from mycelium.peer_address import is_numeric
from mycelium.peer_url import WHATEVER_PASSES
from mycelium.policy.base import DEFAULT_POLICY, Policy
from mycelium.wire.datagram import SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305
from mycelium.wire.statement import Statement
from mycelium.wire.underlay_address import UnderlayAddress

from .driver import Packet, VirtualDriver
from .events import NEVER, EventHeap
from .kernel_relay import VirtualKernelRelay
from .link import Wire
from .nat import Nat
from .repeatable_crypto import RepeatablePrimitives
from .run_log import RunLog

PORT: Final = 9651
DISCOVERY_PORT: Final = 9650
KNOCK_PORT: Final = 30_000
UNDERLAY_OVERHEAD: Final = 48  # IPv6 and UDP headers
SEGMENTS_PER_BURST: Final = 64  # datagrams that receive offload (UDP GRO) joins at most
BYTES_PER_BURST: Final = 65_535
BOTH_SUITES: Final = SUITE_AES_256_GCM | SUITE_CHACHA20_POLY1305


def url_of(name: str, scheme: str = "udp") -> str:
    """Returns the URL of a peer, given the name of its host or one of its addresses; an empty scheme leaves it out."""
    return f"{scheme}://{name}:{PORT}" if scheme else f"{name}:{PORT}"


class VirtualHost:
    """A machine with underlay addresses and a node, which can be running or stopped."""

    __slots__ = (
        "addresses",
        "bytes_sent",
        "driver",
        "identity",
        "index",
        "kernel",
        "name",
        "nat",
        "network",
        "offers_leases",
        "peers",
    )

    def __init__(
        self, network: "VirtualNetwork", name: str, *, index: int, identity: Identity, addresses: Sequence[str]
    ) -> None:
        self.network = network
        self.name = name
        self.index = index  # in the run log
        self.identity = identity
        self.addresses: list[str] = []
        self.nat: Nat | None = None
        self.peers: dict[str, bytes | None] = {}  # configured peers: URL -> pin
        self.driver: VirtualDriver | None = None
        self.offers_leases = False  # of its ports, from the next start of its node on
        self.kernel = VirtualKernelRelay()  # what its node has leased
        self.bytes_sent = 0  # payload of datagrams since the first start of its node
        network.by_name[name] = self
        for address in addresses:
            self.add_address(address)

    @property
    def address(self) -> bytes:
        """The overlay address."""
        return self.identity.address

    @property
    def running(self) -> VirtualDriver:
        """The driver of the node, which must not be stopped."""
        assert self.driver is not None, f"the node of {self.name} is stopped"
        return self.driver

    @property
    def node(self) -> Node:
        """The node, which must not be stopped."""
        return self.running.node

    # What can happen to a host.

    def start(
        self, *, epoch: int, rng: Random, settings: NodeSettings | None = None, policy: Policy = DEFAULT_POLICY
    ) -> None:
        """Starts a node that knows its identity and its configured peers only."""
        network = self.network
        node = Node(
            self.identity,
            settings=settings or NodeSettings(suites=BOTH_SUITES, shortcuts=False),
            epoch=epoch,
            entropy=rng.randbytes,
            rng=rng,
            primitives=network.primitives,
            now=network.heap.now,
            verify=network.verify,
            policy=policy,
        )
        self.driver = VirtualDriver(node, self, heap=network.heap, log=network.log, batch=network.batch)
        self.kernel = VirtualKernelRelay()
        node.leasing.given.is_offered = self.offers_leases
        self._name_addresses()
        for url, pin in self.peers.items():
            node.add_peer(url, pin=pin, now=network.heap.now)
        self.driver.flush()

    def network_changed(self) -> None:
        """Tells a running node the addresses of its host, and that its network has changed."""
        self._name_addresses()
        self.running.act(self.node.network_changed)

    def _name_addresses(self) -> None:
        """Tells the node where others could reach it if there were no NAT."""
        numeric = filter(is_numeric, self.addresses)
        self.node.outside.set_own(UnderlayAddress(address, PORT) for address in numeric)

    def stop(self, *, says_goodbye: bool = False) -> None:
        """Stops the node, silently unless it is to say goodbye."""
        if says_goodbye:
            self.running.close()
        self.running.stop()
        self.driver = None

    def add_peer(self, url: str, pin: bytes | None = None) -> None:
        """Adds a configured peer."""
        self.peers[url] = pin
        if self.driver is not None:
            self.driver.act(self.driver.node.add_peer, url, pin=pin)

    def remove_peer(self, url: str) -> None:
        """Removes a configured peer."""
        del self.peers[url]
        if self.driver is not None:
            self.driver.act(self.driver.node.remove_peer, url)

    def add_address(self, address: str) -> None:
        """Adds an underlay address without wires."""
        self.addresses.append(address)
        self.network.host_at[address] = self

    def move(self, addresses: Sequence[str]) -> None:
        """Replaces the underlay addresses: wires end at the new ones, and datagrams to the old ones are lost."""
        network = self.network
        renamed = dict(zip(self.addresses, addresses, strict=True))
        for address in self.addresses:
            del network.host_at[address]
        self.addresses = list(addresses)
        network.host_at.update(dict.fromkeys(addresses, self))
        network.wires = {
            (renamed.get(sender, sender), renamed.get(receiver, receiver)): wire
            for (sender, receiver), wire in network.wires.items()
        }

    # What the driver needs.

    def transmit(self, endpoint: Endpoint, data: bytes, segment_size: int) -> None:
        """Sends datagrams from the address in `endpoint.local`, or else from the first address with a wire to the receiver."""
        self.bytes_sent += len(data)
        port = PORT if self.nat is None else self.nat.send(endpoint, now=self.network.heap.now)
        self._carry(port, endpoint, data, segment_size)

    def _carry(self, port: int, endpoint: Endpoint, data: bytes, segment_size: int) -> None:
        source = endpoint.local.decode() or self._source_for(endpoint.host)
        wire = self.network.wires.get((source, endpoint.host))
        if wire is not None and source in self.addresses:
            self.network.carry(wire, Endpoint(endpoint.scheme, source, port), endpoint, data, segment_size)

    def _source_for(self, destination: str) -> str:
        wires = self.network.wires
        for address in self.addresses:
            if (address, destination) in wires:
                return address
        return self.addresses[0]

    def receive(self, source: Endpoint, local: Endpoint, data: bytes, segment_size: int) -> None:
        """Takes datagrams that have arrived at one of its addresses."""
        network = self.network
        if self.driver is None or (
            self.nat is not None and not self.nat.admits(local.port, source, now=network.heap.now)
        ):
            return
        if network.has_pktinfo:
            source = source._replace(local=local.host.encode())
        lease = self.kernel.lease_at(local.port)
        if lease is not None:
            self._receive_at_lease(lease, source, local, data, segment_size)
            return
        self.driver.receive(source, data, segment_size, network.heap.now)

    def _receive_at_lease(self, lease: int, source: Endpoint, local: Endpoint, data: bytes, segment_size: int) -> None:
        """Passes datagrams at a leased port on if they come from one of its ends, else hands them to the node."""
        network = self.network
        onward = self.kernel.other_end(local.port, source, len(data))
        if onward is None:
            answers: list[bytes | None] = []
            self.running.act(lambda now: answers.append(self.node.leasing.arrived(lease, source, data, now=now)))
            onward, data = source, answers[0] or b""
        wire = network.wires.get((local.host, onward.host))
        if wire is not None and data:
            network.carry(wire, local, onward, data, segment_size)

    def serve_lease(self, event: LeaseEvent) -> None:
        """Does what the node wants done for a lease of one of this host's ports."""
        self.kernel.serve(event, self.node.leasing, now=self.network.heap.now)

    def knock(self, due: KnockDue) -> None:
        """Sends a datagram from a port that nothing else is sent from."""
        self._carry(KNOCK_PORT, due.endpoint, due.datagram, len(due.datagram))

    def take_echo(self, answer: EchoAnswered) -> None:
        """Takes the answer to a request for an echo."""

    def deliver(self, packets: list[Packet]) -> None:
        """Takes packets that the node has written to its TUN device."""

    def resolve(self, url: str) -> list[Endpoint]:
        """Returns the endpoints of a peer: the addresses of the host of that name, or else the address in the URL."""
        before, separator, rest = url.partition("://")
        name = (rest if separator else before).rpartition(":")[0]
        known = self.network.by_name.get(name)
        addresses = [name] if known is None else known.addresses
        schemes = (before,) if separator else WHATEVER_PASSES
        return [Endpoint(scheme, address, PORT) for scheme in schemes for address in addresses]

    def send_beacons(self) -> None:
        """Sends a beacon over every wire. Its addresses must be on the link: link-local ones, or of IPv4."""
        network = self.network
        for source in self.addresses:
            data = self.node.discovery.beacon(in_16_bytes(source))
            for (sender, receiver), wire in network.wires.items():
                if sender == source:
                    network.carry_beacon(wire, source, receiver, data)

    def called(self) -> None:
        """Called after each call of the node, once its outbox is empty."""


class VirtualNetwork:
    """Hosts, and the wires between their addresses.

    With `has_pktinfo` nodes are told at which of their addresses datagrams have arrived, and answer from there. `passes`, if
    set, tells of each datagram (sending address, receiving address, bytes) whether it reaches its wire. `blocked` has the
    schemes that a firewall drops, each with a sending and a receiving address. Streams are carried like datagrams of UDP: what
    is a transport's business, such as opening connections, is left out.
    """

    def __init__(
        self,
        heap: EventHeap,
        *,
        log: RunLog,
        primitives: Primitives | None = None,
        verify: Callable[[Statement], bool] = is_signed,
        has_pktinfo: bool = False,
    ) -> None:
        self.heap = heap
        self.log = log
        self.primitives = primitives or RepeatablePrimitives()
        self.verify = verify
        self.has_pktinfo = has_pktinfo
        self.by_name: dict[str, VirtualHost] = {}
        self.host_at: dict[str, VirtualHost] = {}  # by underlay address
        self.wires: dict[tuple[str, str], Wire] = {}  # by sending and receiving address
        self.passes: Callable[[str, str, bytes], bool] | None = None
        self.blocked: set[tuple[str, str, str]] = set()
        self._newest: dict[
            tuple[Endpoint, Endpoint], tuple[float, list[bytes]]
        ] = {}  # by its ends: arrival and datagrams of the newest burst
        self.batch = PacketBatch()  # filled by one driver after the other

    @property
    def now(self) -> float:
        """Virtual time, seconds."""
        return self.heap.now

    def carry(self, wire: Wire, source: Endpoint, destination: Endpoint, data: bytes, segment_size: int) -> None:
        """Sends datagrams of `segment_size` bytes, the last perhaps shorter, over a wire."""
        now, passes = self.heap.now, self.passes
        is_blocked = (destination.scheme, source.host, destination.host) in self.blocked
        for start in range(0, len(data), segment_size):
            datagram = data[start : start + segment_size]
            is_lost = passes is not None and not passes(source.host, destination.host, datagram)
            if is_lost or is_blocked:
                continue
            for arrival in wire.arrivals(len(datagram) + UNDERLAY_OVERHEAD, now=now):
                self._schedule(arrival, source, destination, datagram)

    def _schedule(self, arrival: float, source: Endpoint, destination: Endpoint, datagram: bytes) -> None:
        """Schedules the arrival of a datagram, joined to the previous one if receive offload (UDP GRO) would join them."""
        newest_arrival, burst = self._newest.get((source, destination), (NEVER, []))
        if arrival == newest_arrival and _joins(burst, datagram):
            burst.append(datagram)
            return
        burst = [datagram]
        self._newest[source, destination] = arrival, burst
        self.heap.at(arrival, self._arrive, source, destination, burst)

    def _arrive(self, source: Endpoint, destination: Endpoint, burst: list[bytes]) -> None:
        if self._newest.get((source, destination), (NEVER, []))[1] is burst:
            del self._newest[source, destination]
        host = self.host_at.get(destination.host)
        if host is not None:
            host.receive(source, destination, b"".join(burst), len(burst[0]))

    def carry_beacon(self, wire: Wire, source: str, destination: str, data: bytes) -> None:
        """Sends a multicast datagram over one wire."""
        if self.passes is None or self.passes(source, destination, data):
            for arrival in wire.arrivals(len(data) + UNDERLAY_OVERHEAD, now=self.heap.now):
                self.heap.at(arrival, self._hear, source, destination, data)

    def _hear(self, source: str, destination: str, data: bytes) -> None:
        host = self.host_at.get(destination)
        if host is not None and host.driver is not None:
            host.driver.act(host.driver.node.beacon_received, data, Endpoint("udp", source, DISCOVERY_PORT))


def _joins(burst: list[bytes], datagram: bytes) -> bool:
    """Tells whether a datagram joins a burst, whose datagrams have one size but for the last, which can be shorter."""
    size = len(burst[0])
    return (
        len(datagram) <= size == len(burst[-1])
        and len(burst) < SEGMENTS_PER_BURST
        and (len(burst) + 1) * size <= BYTES_PER_BURST
    )
