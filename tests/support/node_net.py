"""Whole nodes in one process: joined by wires of given delay and loss, in virtual time, with packets in and out as plain bytes.

A host has one or more addresses on the underlay, at first its name; a wire leads from one address to another, one way.
"""

import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv6Address
from itertools import count

from mycelium.crypto.primitives import Primitives, RealPrimitives
from mycelium.endpoint import Endpoint
from mycelium.identity import Identity
from mycelium.node.event_kind import EventKind
from mycelium.node.journal import Entry
from mycelium.node.node import Node
from mycelium.node.settings import NodeSettings
from mycelium.outbox import BeaconDue, ResolvePeer
from mycelium.packet.batch import PacketBatch
from mycelium.policy import DEFAULT_POLICY, Policy
from mycelium.wire.announcement import Prefix
from mycelium.wire.datagram import SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305
from mycelium.wire.train import ITEM_HEADER_BYTES

BOTH_SUITES = SUITE_AES_256_GCM | SUITE_CHACHA20_POLY1305
PORT = 9651
DISCOVERY_PORT = 9650
SEGMENTS_PER_BURST = 64  # that the kernel joins
WAKES_AT_ONE_TIME = 50  # of one host: beyond it its timer spins

Packet = tuple[bytes, int, int]  # bytes, item flags, segment size


@dataclass
class Wire:
    """One direction between two addresses; delays in seconds, the rest as shares of datagrams, `mtu` in bytes of payload."""

    delay: float
    loss: float = 0.0
    jitter: float = 0.0  # added to the delay, 0 to this many seconds: reorders
    duplicates: float = 0.0
    mtu: int = 65_507
    is_cut: bool = False


class Host:
    """A node, the addresses that others find it at, and what came out of its TUN."""

    def __init__(self, net: "NodeNet", name: str, settings: "HostSettings") -> None:
        self.name = name
        self.settings = settings
        self.addresses = [name]  # on the underlay; the first is the one it sends from unless told otherwise
        self.peers: dict[str, bytes | None] = {}  # configured: URL, pin
        self.identity = Identity(settings.seed.to_bytes(32, "big"))
        self.rng = random.Random(f"{name}/{settings.epoch}/{net.seed}")
        self.node = Node(
            self.identity,
            settings=NodeSettings(psk=settings.psk, suites=settings.suites, prefixes=settings.prefixes),
            epoch=settings.epoch,
            entropy=self.rng.randbytes,
            rng=self.rng,
            primitives=net.primitives,
            now=net.now,
            policy=settings.policy,
        )
        self.delivered: list[Packet] = []
        self.woken_at = 0.0
        self.wakes = 0
        self.starved_until = 0.0

    @property
    def link_events(self) -> list[Entry]:
        """The journal's entries of links that came up or went down."""
        return [entry for entry in self.node.journal.after(0) if entry.kind in (EventKind.LINK_UP, EventKind.LINK_DOWN)]

    @property
    def deaths(self) -> list[Entry]:
        """The journal's entries of links that went down."""
        return [entry for entry in self.link_events if entry.kind is EventKind.LINK_DOWN]

    @property
    def address(self) -> bytes:
        return self.identity.address

    @property
    def address_text(self) -> str:
        return str(IPv6Address(self.address))

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("udp", self.addresses[0], PORT)


@dataclass(frozen=True)
class HostSettings:
    """What a host keeps when it starts anew."""

    seed: int
    psk: bytes = bytes(32)
    suites: int = BOTH_SUITES
    epoch: int = 1
    policy: Policy = DEFAULT_POLICY
    prefixes: tuple[Prefix, ...] = ()


class NodeNet:
    """Hosts, the wires between them, and the event heap. `drop` sees each datagram: sending and receiving address, bytes.

    With `pktinfo` a node is told at which of its addresses a datagram came in, and answers from there.
    """

    def __init__(self, seed: int = 0, *, pktinfo: bool = False, primitives: Primitives | None = None) -> None:
        self.now = 1000.0
        self.seed = seed
        self.rng = random.Random(seed)
        self.hosts: dict[str, Host] = {}
        self._last: dict[str, Host] = {}  # also those that were stopped
        self.wires: dict[tuple[str, str], Wire] = {}
        self.drop: Callable[[str, str, bytes], bool] = lambda sender, receiver, data: False
        self.capture: list[tuple[str, str, bytes]] | None = None  # what was sent since it was set to []
        self.primitives = primitives or RealPrimitives()
        self._pktinfo = pktinfo
        self._last_burst: dict[tuple[str, str], tuple[float, list[bytes]]] = {}  # by wire: when it arrives
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = count()

    # -- hosts ---------------------------------------------------------------------------------------------------------

    def add(
        self,
        name: str,
        *,
        psk: bytes = bytes(32),
        suites: int = BOTH_SUITES,
        seed: int | None = None,
        epoch: int = 1,
        policy: Policy = DEFAULT_POLICY,
        prefixes: tuple[Prefix, ...] = (),
    ) -> Host:
        """Adds a host."""
        key = sum(name.encode()) * 1000 + len(name) if seed is None else seed
        return self._start(name, HostSettings(key, psk, suites, epoch, policy, prefixes))

    def stop(self, name: str) -> None:
        """Ends a process without a goodbye."""
        del self.hosts[name]

    def close(self, name: str) -> None:
        """Ends a process properly."""
        host = self.hosts[name]
        host.node.close(now=self.now)
        self._drain(host)
        self.stop(name)

    def starve(self, name: str, seconds: float) -> None:
        """Gives a process no processor: what comes and what is due waits, and then is all there at once."""
        self.hosts[name].starved_until = self.now + seconds

    def restart(self, name: str, *, epoch: int | None = None) -> Host:
        """Starts a host again, stopped or not, with the same key, addresses and peer list."""
        old = self._last[name]
        settings = replace(old.settings, epoch=old.settings.epoch + 1 if epoch is None else epoch)
        host = self._start(name, settings, old.addresses)
        for url, pin in old.peers.items():
            self.add_peer(name, url, pin)
        return host

    def add_peer(self, name: str, url: str, pin: bytes | None = None) -> None:
        """Puts an address into a host's peer list."""
        host = self.hosts[name]
        host.peers[url] = pin
        host.node.add_peer(url, pin=pin, now=self.now)
        self._drain(host)

    def _start(self, name: str, settings: HostSettings, addresses: Iterable[str] = ()) -> Host:
        host = self.hosts[name] = Host(self, name, settings)
        host.addresses = list(addresses) or [name]
        self._last[name] = host
        self._wake(host)
        return host

    # -- wires ---------------------------------------------------------------------------------------------------------

    def join(self, one: str, other: str, delay: float = 0.005, *, pin: bytes | None = None) -> None:
        """Puts a link between two hosts; `one` has `other` in its peer list."""
        self.connect(one, other, delay)
        self.add_peer(one, url_of(other), pin)

    def connect(self, one: str, other: str, delay: float = 0.005) -> None:
        """Puts wires between two addresses."""
        self.wires[one, other] = Wire(delay)
        self.wires[other, one] = Wire(delay)

    def both(self, one: str, other: str) -> tuple[Wire, Wire]:
        """Returns the wires between two addresses."""
        return self.wires[one, other], self.wires[other, one]

    def cut(self, one: str, other: str) -> None:
        """Cuts a link without a word."""
        for wire in self.both(one, other):
            wire.is_cut = True

    def mend(self, one: str, other: str) -> None:
        """Ends a cut."""
        for wire in self.both(one, other):
            wire.is_cut = False

    def add_address(self, name: str, address: str) -> None:
        """Gives a host another address, with wires like those of its first."""
        host = self.hosts[name]
        first = host.addresses[0]
        for (sender, receiver), wire in list(self.wires.items()):
            if sender == first:
                self.wires[address, receiver] = replace(wire)
            elif receiver == first:
                self.wires[sender, address] = replace(wire)
        host.addresses.append(address)

    def move(self, name: str, address: str) -> None:
        """Replaces the first address of a host, which notices that."""
        self.add_address(name, address)
        host = self.hosts[name]
        del host.addresses[0]
        host.addresses.insert(0, host.addresses.pop())
        host.node.network_changed(now=self.now)
        self._drain(host)

    # -- packets -------------------------------------------------------------------------------------------------------

    def send(self, sender: str, packet: bytes, flags: int = 0, segment_size: int = 0) -> None:
        """An application of `sender` sends a packet."""
        self.send_batch(sender, [(packet, flags, segment_size)])

    def send_batch(self, sender: str, packets: list[Packet]) -> None:
        """Applications of `sender` send packets that are read in one go."""
        host = self.hosts[sender]
        batch = PacketBatch()
        position = 0
        for packet, flags, segment_size in packets:
            start = position + ITEM_HEADER_BYTES
            position = start + len(packet)
            batch.buffer[start:position] = packet
            batch.slots.append((start, position, flags, segment_size))
        host.node.send_packets(batch, now=self.now)
        self._drain(host)

    def inject(
        self, receiver: str, sender: Endpoint, data: bytes, segment_size: int = 0, *, waited_s: float = 0.0
    ) -> None:
        """Hands datagrams to a host as if `sender` had sent them."""
        host = self.hosts[receiver]
        burst = memoryview(bytearray(data))
        host.node.receive(sender, burst, segment_size or len(data) or 1, now=self.now, waited_s=waited_s)
        self._drain(host)

    def drain(self, name: str) -> None:
        """Carries out what a node wants done, after a test has called it."""
        self._drain(self.hosts[name])

    # -- time ----------------------------------------------------------------------------------------------------------

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> float:
        """Runs for so long, or until the condition holds; returns how long it took."""
        start, end = self.now, self.now + seconds
        while self._heap and self._heap[0][0] <= end and not (until is not None and until()):
            self.now, _, action = heapq.heappop(self._heap)
            action()
        if until is None:
            self.now = end
        else:
            assert until(), f"not within {seconds} s"
        return self.now - start

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Does something at a time."""
        heapq.heappush(self._heap, (when, next(self._count), action))

    def _wake(self, host: Host) -> None:
        deadline = host.node.next_deadline()
        if deadline < float("inf"):
            self.at(max(deadline, self.now), lambda: self._on_wake(host))

    def _on_wake(self, host: Host) -> None:
        if self.hosts.get(host.name) is not host or host.node.next_deadline() > self.now:
            return
        if host.starved_until > self.now:
            self.at(host.starved_until, lambda: self._on_wake(host))
            return
        host.wakes = host.wakes + 1 if host.woken_at == self.now else 0
        host.woken_at = self.now
        assert host.wakes < WAKES_AT_ONE_TIME, f"the timer of {host.name} spins"
        host.node.handle_timeout(now=self.now)
        self._drain(host)

    # -- what a node wants done ----------------------------------------------------------------------------------------

    def _drain(self, host: Host) -> None:
        outbox = host.node.outbox
        resolve: list[str] = []
        for endpoint, buffers, segment_size, _ in outbox.transmits:
            self._transmit(host, endpoint, b"".join(buffers), segment_size)
        host.delivered += [(bytes(packet), flags, size) for packet, flags, size in outbox.deliveries]
        for event in outbox.events:
            if isinstance(event, ResolvePeer):
                resolve.append(event.url)
            elif isinstance(event, BeaconDue):
                self._call(host)
        outbox.clear()
        for url in resolve:
            name = url.removeprefix("udp://").rpartition(":")[0]
            known = self._last.get(name)  # names follow their host, other addresses stand for themselves
            address = known.addresses[0] if known is not None else name
            host.node.peer_resolved(url, [Endpoint("udp", address, PORT)], now=self.now)
            self._drain(host)
        self._wake(host)

    def _transmit(self, host: Host, endpoint: Endpoint, data: bytes, segment_size: int) -> None:
        source = endpoint.local.decode() or host.addresses[0]
        wire = self.wires.get((source, endpoint.host))
        if wire is None or source not in host.addresses:
            return
        burst: list[bytes] = []
        for start in range(0, len(data), segment_size):
            datagram = data[start : start + segment_size]
            if self.capture is not None:
                self.capture.append((source, endpoint.host, datagram))
            if self._is_lost(wire, source, endpoint.host, datagram):
                continue
            burst.append(datagram)
            if wire.duplicates and self.rng.random() < wire.duplicates:
                self._carry(wire, source, endpoint.host, [datagram])
        if wire.jitter:
            for datagram in burst:
                self._carry(wire, source, endpoint.host, [datagram])
        elif burst:
            self._carry(wire, source, endpoint.host, burst)

    def _call(self, host: Host) -> None:
        """Brings a beacon from each of a host's addresses, which must be link-local ones, to all that wires lead to."""
        for source in host.addresses:
            data = host.node.discovery.beacon(IPv6Address(source).packed)
            for (sender, receiver), wire in list(self.wires.items()):
                if sender == source and not self._is_lost(wire, sender, receiver, data):
                    self.at(self.now + wire.delay, partial(self._hear, source, receiver, data))

    def _hear(self, source: str, destination: str, data: bytes) -> None:
        for host in self.hosts.values():
            if destination in host.addresses:
                host.node.discovery.receive(data, Endpoint("udp", source, DISCOVERY_PORT), now=self.now)
                self._drain(host)
                return

    def _is_lost(self, wire: Wire, source: str, destination: str, datagram: bytes) -> bool:
        if wire.is_cut or len(datagram) > wire.mtu or self.drop(source, destination, datagram):
            return True
        return wire.loss > 0 and self.rng.random() < wire.loss

    def _carry(self, wire: Wire, source: str, destination: str, burst: list[bytes]) -> None:
        """Brings datagrams of one transmission, the last perhaps shorter, as receive offload hands them over."""
        delay = wire.delay + (self.rng.random() * wire.jitter if wire.jitter else 0.0)
        when = self.now + delay
        last_when, last_burst = self._last_burst.get((source, destination), (0.0, []))
        if when == last_when and _can_follow(last_burst, burst):
            last_burst += burst
            return
        self._last_burst[source, destination] = when, burst
        self.at(when, lambda: self._arrive(source, destination, b"".join(burst), len(burst[0]), when))

    def _arrive(self, source: str, destination: str, data: bytes, segment_size: int, arrival: float) -> None:
        for host in self.hosts.values():
            if destination in host.addresses:
                if host.starved_until > self.now:
                    again = partial(self._arrive, source, destination, data, segment_size, arrival)
                    self.at(host.starved_until, again)
                    return
                local = destination.encode() if self._pktinfo else b""
                sender = Endpoint("udp", source, PORT, 0, local)
                self.inject(host.name, sender, data, segment_size, waited_s=self.now - arrival)
                return


def _can_follow(burst: list[bytes], more: list[bytes]) -> bool:
    """Tells whether receive offload would join datagrams to what came just before: equal sizes, but for the last."""
    size = len(burst[0])
    are_full = all(len(datagram) == size for datagram in burst + more[:-1])
    return are_full and len(more[-1]) <= size and len(burst) + len(more) <= SEGMENTS_PER_BURST


def url_of(address: str) -> str:
    """Returns the URL of a peer at an address."""
    return f"udp://{address}:{PORT}"
