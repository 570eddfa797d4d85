"""The directory: where nodes are at home to which this node has no route."""

from msgspec import Struct

from mycelium.identity import subnet_of
from mycelium.routing.resolution import Pending
from mycelium.wire.home_record import HomeRecord


class Home(Struct, frozen=True):
    """Where a node is at home, and its key."""

    node: bytes
    record: HomeRecord

    @property
    def home(self) -> bytes:
        """The landmark from which the node is reached."""
        return self.record.home

    @property
    def backup(self) -> bytes:
        """Another such landmark, for when the first is lost; zeros: there is none."""
        return self.record.backup


class Directory:
    """The records of one node."""

    def __init__(self) -> None:
        self._by_node: dict[bytes, Home] = {}
        self._node_of: dict[bytes, bytes] = {}  # by /64

    def home_of(self, node: bytes) -> Home | None:
        """Returns where a node is at home if that is known; looks nothing up."""
        return self._by_node.get(node)

    def resolve(self, address: bytes, *, now: float) -> Home | Pending | None:
        """Returns the node with an address, PENDING while it is looked up, None if there is none."""
        return self._by_node.get(self._node_of.get(subnet_of(address), b""))
