"""A virtual network for tests and benchmarks: hosts by name, with packets in and out as plain bytes.

The name of a host is also its first underlay address.
"""

from collections.abc import Callable
from ipaddress import IPv6Address
from random import Random

from mycelium.crypto.primitives import Primitives
from mycelium.endpoint import Endpoint
from mycelium.identity import Identity
from mycelium.node.event_kind import EventKind
from mycelium.node.journal import Entry
from mycelium.node.settings import NodeSettings
from mycelium.outbox import EchoAnswered
from mycelium.policy.base import DEFAULT_POLICY, Policy
from mycelium.routing.engine import DEFAULT_PARAMETERS
from mycelium.routing.parameters import RoutingParameters
from mycelium.wire.announcement import Prefix

from .driver import Packet
from .events import EventHeap
from .link import LinkModel, Wire
from .network import BOTH_SUITES, PORT, UNDERLAY_OVERHEAD, VirtualHost, VirtualNetwork, url_of
from .run_log import RunLog

ANY_SIZE = 65_507 + UNDERLAY_OVERHEAD  # MTU of wires that carry every UDP datagram


def seed_of(name: str) -> int:
    """Returns the default seed of a host's identity."""
    return int.from_bytes(name.encode(), "big")


class NamedHost(VirtualHost):
    """A host that records what its node has delivered, and which echoes were answered, since its start."""

    __slots__ = ("delivered", "echoes", "epoch", "policy", "rng", "settings")

    def __init__(self, net: "NodeNet", name: str, identity: Identity, settings: NodeSettings, policy: Policy) -> None:
        super().__init__(net, name, index=len(net.by_name), identity=identity, addresses=[name])
        self.settings = settings
        self.policy = policy
        self.delivered: list[Packet] = []
        self.echoes: list[EchoAnswered] = []

    @property
    def address_text(self) -> str:
        """The overlay address in text form."""
        return str(IPv6Address(self.address))

    @property
    def link_events(self) -> list[Entry]:
        """The journal's entries of links that came up or went down."""
        return [entry for entry in self.node.journal.after(0) if entry.kind in (EventKind.LINK_UP, EventKind.LINK_DOWN)]

    @property
    def deaths(self) -> list[Entry]:
        """The journal's entries of links that went down."""
        return [entry for entry in self.link_events if entry.kind is EventKind.LINK_DOWN]

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint at its first address."""
        return Endpoint("udp", self.addresses[0], PORT)

    def begin(self, epoch: int, seed: int) -> None:
        """Starts the node."""
        self.epoch = epoch
        self.rng = Random(f"{self.name}/{epoch}/{seed}")
        self.delivered = []
        self.echoes = []
        self.start(epoch=epoch, rng=self.rng, settings=self.settings, policy=self.policy)

    def deliver(self, packets: list[Packet]) -> None:
        self.delivered += packets

    def take_echo(self, answer: EchoAnswered) -> None:
        self.echoes.append(answer)


class NodeNet(VirtualNetwork):
    """Hosts by name and the wires between them.

    `drop` tells of each datagram (sending address, receiving address, bytes) whether it is lost. `capture`, if it is a list,
    collects every datagram, lost or not.
    """

    def __init__(self, seed: int = 0, *, pktinfo: bool = False, primitives: Primitives | None = None) -> None:
        super().__init__(EventHeap(now=1000.0), log=RunLog(), primitives=primitives, has_pktinfo=pktinfo)
        self.seed = seed
        self.rng = Random(seed)
        self.hosts: dict[str, NamedHost] = {}  # with running nodes
        self.drop: Callable[[str, str, bytes], bool] = lambda sender, receiver, data: False
        self.capture: list[tuple[str, str, bytes]] | None = None
        self._all: dict[str, NamedHost] = {}
        self.passes = self._passes

    def _passes(self, sender: str, receiver: str, data: bytes) -> bool:
        if self.capture is not None:
            self.capture.append((sender, receiver, data))
        return not self.drop(sender, receiver, data)

    # -- hosts ---------------------------------------------------------------------------------------------------------

    def add(
        self,
        name: str,
        *,
        psk: bytes = bytes(32),
        network_id: bytes = bytes(8),
        suites: int = BOTH_SUITES,
        seed: int | None = None,
        identity: Identity | None = None,
        epoch: int = 1,
        policy: Policy = DEFAULT_POLICY,
        prefixes: tuple[Prefix, ...] = (),
        shortcuts: bool = False,
        announced: bytes = b"",
        tells_links: bool = False,
        routing: RoutingParameters = DEFAULT_PARAMETERS,
    ) -> NamedHost:
        """Adds a host and starts its node, whose identity is of a seed unless it is given; it announces a name, perhaps."""
        identity = identity or Identity((seed_of(name) if seed is None else seed).to_bytes(32, "big"))
        settings = NodeSettings(
            psk=psk,
            network_id=network_id,
            suites=suites,
            prefixes=prefixes,
            shortcuts=shortcuts,
            name=announced,
            tells_links=tells_links,
            routing=routing,
        )
        host = self.hosts[name] = self._all[name] = NamedHost(self, name, identity, settings, policy)
        host.begin(epoch, self.seed)
        return host

    def stop(self, name: str, *, says_goodbye: bool = False) -> None:
        """Stops a node, silently unless it is to say goodbye."""
        self.hosts.pop(name).stop(says_goodbye=says_goodbye)

    def close(self, name: str) -> None:
        """Stops a node after its goodbye."""
        self.stop(name, says_goodbye=True)

    def restart(self, name: str, *, epoch: int | None = None) -> NamedHost:
        """Restarts a running or stopped node with the same identity, addresses and peers."""
        if name in self.hosts:
            self.stop(name)
        host = self.hosts[name] = self._all[name]
        host.begin(host.epoch + 1 if epoch is None else epoch, self.seed)
        return host

    def starve(self, name: str, seconds: float) -> None:
        """Suspends the process of a node: what arrives waits, and timers are late."""
        self.hosts[name].running.starve(seconds)

    def add_peer(self, name: str, url: str, pin: bytes | None = None) -> None:
        """Adds a configured peer to a host."""
        self.hosts[name].add_peer(url, pin)

    def add_address(self, name: str, address: str) -> None:
        """Adds an underlay address to a host, with wires like those of its first one."""
        host = self.hosts[name]
        first = host.addresses[0]
        for (sender, receiver), wire in list(self.wires.items()):
            if sender == first:
                self.wires[address, receiver] = Wire(wire.model, self.rng)
            elif receiver == first:
                self.wires[sender, address] = Wire(wire.model, self.rng)
        host.add_address(address)

    def move(self, name: str, address: str) -> None:
        """Replaces the first address of a host and notifies its node that the network has changed."""
        host = self.hosts[name]
        host.move([address, *host.addresses[1:]])
        host.network_changed()

    # -- wires ---------------------------------------------------------------------------------------------------------

    def join(self, one: str, other: str, delay_s: float = 0.005, *, pin: bytes | None = None) -> None:
        """Connects two hosts; `other` is a configured peer of `one`."""
        self.connect(one, other, delay_s)
        self.add_peer(one, url_of(other), pin)

    def connect(self, one: str, other: str, delay_s: float = 0.005) -> None:
        """Adds wires in both directions between two addresses."""
        for ends in ((one, other), (other, one)):
            self.wires[ends] = Wire(LinkModel(delay_s=delay_s, mtu=ANY_SIZE), self.rng)

    def both(self, one: str, other: str) -> tuple[Wire, Wire]:
        """Returns the wires between two addresses."""
        return self.wires[one, other], self.wires[other, one]

    def cut(self, one: str, other: str) -> None:
        """Silently cuts the wires between two addresses."""
        for wire in self.both(one, other):
            wire.is_open = False

    def mend(self, one: str, other: str) -> None:
        """Mends the wires between two addresses."""
        for wire in self.both(one, other):
            wire.is_open = True

    def block(self, scheme: str, one: str, other: str) -> None:
        """Has a firewall between two addresses drop what is sent over a scheme."""
        self.blocked |= {(scheme, one, other), (scheme, other, one)}

    def unblock(self, scheme: str, one: str, other: str) -> None:
        """Ends `block`."""
        self.blocked -= {(scheme, one, other), (scheme, other, one)}

    # -- packets -------------------------------------------------------------------------------------------------------

    def send(self, sender: str, packet: bytes, flags: int = 0, segment_size: int = 0) -> None:
        """Sends a packet from an application on a host."""
        self.send_batch(sender, [(packet, flags, segment_size)])

    def send_batch(self, sender: str, packets: list[Packet]) -> None:
        """Sends packets from applications on a host, all in one read of its TUN device."""
        self.hosts[sender].running.send_packets(packets)

    def inject(self, receiver: str, sender: Endpoint, data: bytes, segment_size: int = 0) -> None:
        """Hands datagrams to a node as if they had come from `sender`."""
        self.hosts[receiver].running.receive(sender, data, segment_size or len(data) or 1, self.now)

    def drain(self, name: str) -> None:
        """Does what is owed to a node after a test has called it."""
        self.hosts[name].running.flush()

    # -- time ----------------------------------------------------------------------------------------------------------

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> float:
        """Runs for `seconds`, or until a condition holds, which must be within that time; returns the time it took."""
        start = self.now
        if until is None:
            self.heap.run(start + seconds)
        else:
            while not until():
                assert self.heap.next_time() <= start + seconds, f"not within {seconds} s"
                self.heap.step()
        return self.now - start

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Schedules an action."""
        self.heap.at(when, action)
