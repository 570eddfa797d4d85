"""A host of whole nodes: where the node is on the underlay, and what it has done in all its lives."""

from mycelium.identity import Identity
from mycelium.node.node import Node
from sim.net.events import NEVER
from sim.net.nat import Nat


class Host:
    """A node, or the place of one that is down."""

    __slots__ = (
        "asleep_until",
        "bytes_sent",
        "datagrams_sent",
        "due",
        "generation",
        "hop_limit_deaths",
        "identity",
        "index",
        "messages",
        "names",
        "nat",
        "node",
        "noted",
        "peers",
        "said",
        "uplinks",
        "version",
    )

    def __init__(self, index: int, identity: Identity, *, uplinks: int) -> None:
        self.index = index
        self.identity = identity
        self.uplinks = uplinks
        self.names = self._names(0)  # its address on the underlay at each uplink
        self.node: Node | None = None
        self.generation = 0  # of its addresses
        self.nat: Nat | None = None
        self.peers: list[int] = []  # those that it dials
        self.due = NEVER
        self.asleep_until = 0.0  # it is not run before
        self.version = 0
        self.said = 0  # control messages that were no digests, in this life, when last looked at
        self.messages = 0  # control messages of earlier lives
        self.noted = 0  # newest entry of the node's journal, when last looked at
        self.hop_limit_deaths = 0  # of trains, in earlier lives
        self.bytes_sent = 0
        self.datagrams_sent = 0

    def move(self) -> None:
        """Gives it other addresses on the underlay."""
        self.generation += 1
        self.names = self._names(self.generation)

    def _names(self, generation: int) -> tuple[str, ...]:
        """Each is in a /64 of its own, as different sites have."""
        return tuple(f"fd00:{self.index:x}:{generation:x}:{uplink:x}::1" for uplink in range(self.uplinks))
