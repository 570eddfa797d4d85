"""Access policy: the questions that a node asks before it lets another one in.

They are asked when an authenticated neighbour is to be adopted, when a session is to begin or to be answered, when packets are
to be delivered, and when a node announces a prefix. A refusal is counted and draws no answer.
"""

from collections.abc import Callable
from typing import Final, Protocol

PacketFilter = Callable[[memoryview], bool]  # takes one whole IPv6 packet, perhaps a super-packet


class Policy(Protocol):
    """Decides by the 16-byte overlay address of the other node, which its handshake or signature has proved."""

    def allows_neighbour(self, node: bytes) -> bool:
        """Tells whether a link with this node may exist."""

    def allows_session(self, node: bytes) -> bool:
        """Tells whether this node may exchange packets with us, whoever begins."""

    def packet_filter(self, node: bytes) -> PacketFilter | None:
        """Returns the filter for packets that arrive from this node; None delivers all. Called once per train."""

    def allows_prefix(self, node: bytes, length: int, address: bytes) -> bool:
        """Tells whether this node may own a prefix that it announces beside its own /64: length in bits, 16 bytes."""


class DefaultPolicy:
    """Any node may be a neighbour and send any packet, from its own /64 only."""

    def allows_neighbour(self, node: bytes) -> bool:
        return True

    def allows_session(self, node: bytes) -> bool:
        return True

    def packet_filter(self, node: bytes) -> PacketFilter | None:
        return None

    def allows_prefix(self, node: bytes, length: int, address: bytes) -> bool:
        return False


DEFAULT_POLICY: Final = DefaultPolicy()
