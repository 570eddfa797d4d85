"""The output of a node, in order; the driver drains it after every call and then clears it.

The buffers in it belong to the node and are valid until the outbox is cleared. Sealed and opened bytes lie in an arena that is
reused from its start, so that the data path works in cached memory and allocates nothing.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from mycelium.endpoint import Endpoint
from mycelium.packet.batch import Delivery

ARENA_BYTES: Final = 1 << 20  # room for several frames of one wake-up, each both opened and sealed

# destination; buffers, to be sent as one; size of the datagrams that the kernel cuts them into; whether it is bulk data,
# which a full transport drops before anything that keeps links alive; traffic class (DSCP and ECN) of the datagrams
Transmit = tuple[Endpoint, Sequence[bytes | memoryview], int, bool, int]


class ResolvePeer(Struct, frozen=True):
    """The host name of a configured peer is to be resolved; the answer goes to `Node.peer_resolved`."""

    url: str


class BeaconDue(Struct, frozen=True):
    """A beacon is due: `Node.discovery.beacon` is to be sent on each interface."""


class LeasePortWanted(Struct, frozen=True):
    """A UDP port is to be opened for a lease; the answer goes to `Node.leasing`, as does what arrives there."""

    lease: int  # its number


class LeaseOpened(Struct, frozen=True):
    """The kernel is to pass on, between these two addresses, what they send to the port of a lease; replaces earlier ones."""

    lease: int
    one: Endpoint  # each with the local address at which it was heard
    other: Endpoint


class LeaseClosed(Struct, frozen=True):
    """A lease has ended: its port is to be closed, and nothing more passed on."""

    lease: int


class IndicesChanged(Struct, frozen=True):
    """Neighbours name other indices of this node than before: `Node.own_indices` has them."""


class JoinAsked(Struct, frozen=True):
    """Somebody asks to join by an invitation; the answer goes to `Node.inviting`."""

    secret: bytes  # of the invitation
    request: bytes  # names the request
    key: bytes  # X25519, of the node that asks
    signing_key: bytes  # Ed25519
    fingerprint: bytes | None  # of its ML-DSA key, None where it has none
    endpoint: Endpoint


class KnockDue(Struct, frozen=True):
    """A datagram is to be sent to an endpoint once, from a port that nothing else was sent from."""

    endpoint: Endpoint
    datagram: bytes


class EchoAnswered(Struct, frozen=True):
    """A request of `Echoes.ask` was answered: by the node that was asked, or by another one that says what became of it."""

    token: bytes
    by: bytes
    rtt_s: float
    hops: int  # links that the request has crossed; 0 from another node
    error: int | None  # code of `wire.train`; None from the node that was asked


class GsoLimited(Struct, frozen=True):
    """The kernel of this host is to hand over super-packets of up to so many bytes, and no longer ones."""

    longest: int


LeaseEvent = LeasePortWanted | LeaseOpened | LeaseClosed
Event = ResolvePeer | BeaconDue | IndicesChanged | JoinAsked | EchoAnswered | KnockDue | GsoLimited | LeaseEvent


_INDICES_CHANGED: Final = IndicesChanged()


class Outbox:
    """Datagrams for the transports, packets for TUN, and events for the daemon."""

    __slots__ = ("_arena", "_used", "deliveries", "events", "transmits")

    def __init__(self) -> None:
        self.transmits: list[Transmit] = []
        self.deliveries: list[Delivery] = []
        self.events: list[Event] = []
        self._arena = memoryview(bytearray(ARENA_BYTES))
        self._used = 0

    def take(self, length: int) -> memoryview:
        """Returns `length` writable bytes that are valid until the outbox is cleared."""
        start, end = self._used, self._used + length
        if end > ARENA_BYTES:
            return memoryview(bytearray(length))
        self._used = end
        return self._arena[start:end]

    def indices_changed(self) -> None:
        """Appends `IndicesChanged` unless it is there."""
        if _INDICES_CHANGED not in self.events:
            self.events.append(_INDICES_CHANGED)

    def clear(self) -> None:
        """Called by the driver once everything in it has been processed."""
        self.transmits.clear()
        self.deliveries.clear()
        self.events.clear()
        self._used = 0
