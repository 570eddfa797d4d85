"""Newest sequences of forgotten nodes: what outlives the source table (RFC 8966 section 3.2.5).

Without it, whoever kept an old announcement of a node could bring its route back as soon as everyone has forgotten a newer
one. The announcement itself is kept, so that an origin whose clock was set back can be shown it and jump past it.
"""

from typing import NamedTuple

from mycelium.limits import DESTINATIONS
from mycelium.wire.announcement import Announcement


class ForgottenSource(NamedTuple):
    """The newest announcement of a node without a row, and when it was first seen."""

    announcement: Announcement
    advanced: float
    until: float


class ForgottenSources:
    """Bounded; the oldest gives way."""

    __slots__ = ("_memory_s", "by_node")

    def __init__(self, memory_s: float) -> None:
        self._memory_s = memory_s
        self.by_node: dict[bytes, ForgottenSource] = {}  # in the order in which they end

    def __len__(self) -> int:
        return len(self.by_node)

    def remember(self, node: bytes, announcement: Announcement, advanced: float, *, now: float) -> None:
        """Takes a node whose row is removed."""
        self.by_node.pop(node, None)
        self.by_node[node] = ForgottenSource(announcement, advanced, now + self._memory_s)
        if len(self.by_node) > DESTINATIONS:
            del self.by_node[next(iter(self.by_node))]

    def recall(self, node: bytes, *, now: float) -> ForgottenSource | None:
        """Returns what is remembered of a node."""
        source = self.by_node.get(node)
        return source if source is not None and now < source.until else None

    def forget(self, node: bytes) -> None:
        """Drops a node that has a row again."""
        self.by_node.pop(node, None)

    def purge(self, *, now: float) -> None:
        """Drops what has been remembered long enough."""
        while self.by_node:
            node, source = next(iter(self.by_node.items()))
            if source.until > now:
                return
            del self.by_node[node]
