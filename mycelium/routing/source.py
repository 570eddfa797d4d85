"""Newest sequences of removed nodes; they outlive the source table (RFC 8966 section 3.2.5).

Without them, a host that kept an old announcement of a node could bring its route back once everybody else had forgotten the
newer one. The announcement itself is kept to show it to an origin whose clock was set back, which then jumps past it.
"""

from typing import NamedTuple

from mycelium.limits import DESTINATIONS
from mycelium.wire.announcement import Announcement


class ForgottenSource(NamedTuple):
    """The newest announcement of a node without a row, when it was first seen, and until when it is kept."""

    announcement: Announcement
    advanced: float
    until: float


class ForgottenSources:
    """Remembered sources, at most DESTINATIONS; the oldest is forgotten first."""

    __slots__ = ("_memory_s", "by_node")

    def __init__(self, memory_s: float) -> None:
        self._memory_s = memory_s
        self.by_node: dict[bytes, ForgottenSource] = {}  # in the order of `until`

    def __len__(self) -> int:
        return len(self.by_node)

    def remember(self, node: bytes, announcement: Announcement, advanced: float, *, now: float) -> None:
        """Stores the announcement of a node whose row is removed."""
        self.by_node.pop(node, None)
        self.by_node[node] = ForgottenSource(announcement, advanced, now + self._memory_s)
        if len(self.by_node) > DESTINATIONS:
            del self.by_node[next(iter(self.by_node))]

    def recall(self, node: bytes, *, now: float) -> ForgottenSource | None:
        """Returns the remembered source of a node, None if there is none."""
        source = self.by_node.get(node)
        return source if source is not None and now < source.until else None

    def forget(self, node: bytes) -> None:
        """Drops a node that has a row again."""
        self.by_node.pop(node, None)

    def purge(self, *, now: float) -> None:
        """Drops expired sources."""
        while self.by_node:
            node, source = next(iter(self.by_node.items()))
            if source.until > now:
                return
            del self.by_node[node]
