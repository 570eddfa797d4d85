"""Access policy: the questions that a node asks before it lets another one in.

They are asked when an authenticated neighbour is to be adopted, when a session is to begin or to be answered, when packets
leave and arrive, and when a node announces a prefix. A refusal is counted.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from mycelium.packet.batch import Delivery, Slot


class PacketFilter(Protocol):
    """Returns those of the packets from `node`, whole ones or super-packets, that may not enter this host."""

    def __call__(self, node: bytes, arrived: Sequence[Delivery], /, *, now: float) -> Sequence[Delivery]: ...


class DepartureNote(Protocol):
    """Is told of the packets in a batch that leave for `node`, so that their answers are known."""

    def __call__(self, node: bytes, buffer: memoryview, slots: Sequence[Slot], /, *, now: float) -> None: ...


class Policy(Protocol):
    """Decides by the 16-byte overlay address of the other node, which its handshake or signature has proved."""

    admits: PacketFilter | None  # None: every packet enters; looked at once per train
    departs: DepartureNote | None  # None: nobody wants to know; looked at once per run of packets

    def allows_neighbour(self, node: bytes) -> bool:
        """Tells whether a link with this node may exist."""

    def allows_session(self, node: bytes, *, now: float) -> bool:
        """Tells whether this node may exchange packets with us, whoever begins."""

    def allows_prefix(self, node: bytes, length: int, address: bytes) -> bool:
        """Tells whether this node may own a prefix that it announces beside its own /64: length in bits, 16 bytes."""


class DefaultPolicy:
    """Any node may be a neighbour and send any packet, from its own /64 only."""

    admits: PacketFilter | None = None
    departs: DepartureNote | None = None

    def allows_neighbour(self, node: bytes) -> bool:
        return True

    def allows_session(self, node: bytes, *, now: float) -> bool:
        return True

    def allows_prefix(self, node: bytes, length: int, address: bytes) -> bool:
        return False


DEFAULT_POLICY: Final = DefaultPolicy()
