"""What all nodes tell of their links, as an operator sees it. Costs are in units of 10 us."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from msgspec import Struct


class LinkEndInfo(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A link, as one of its ends sees it."""

    cost: int | None = None
    rtt_ms: float | None = None
    loss: float | None = None  # share of what it sends
    suspect: bool = False  # whether the neighbour may be dead


class MeshNodeInfo(Struct, frozen=True, rename="camel"):
    """One node: a link that only one end tells of may be going down, or its other end does not tell."""

    answer: str  # own (this node) | told | waiting | refused (it keeps its links to itself) | silent
    name: str | None = None  # in a private network
    links: dict[str, LinkEndInfo] = {}  # by neighbour


class MeshLink(NamedTuple):
    """A link between two nodes; what an end does not tell is None."""

    one: str
    other: str
    of_one: LinkEndInfo | None
    of_other: LinkEndInfo | None


class MeshInfo(Struct, frozen=True, rename="camel"):
    """GET /api/v1/admin/mesh?wait=SECONDS"""

    nodes: dict[str, MeshNodeInfo]  # by overlay address, this one first, then the nearest

    @property
    def is_waiting(self) -> bool:
        """Whether some nodes have not answered yet."""
        return any(node.answer == "waiting" for node in self.nodes.values())

    def links(self) -> Iterator[MeshLink]:
        """Yields each link between these nodes once."""
        for one, node in self.nodes.items():
            for other, end in node.links.items():
                there = self.nodes.get(other)
                back = None if there is None else there.links.get(one)
                if there is not None and (back is None or one < other):
                    yield MeshLink(one, other, end, back)


class MeshControl(Protocol):
    """The mesh that a running node sees."""

    def look(self) -> dict[str, MeshNodeInfo]:
        """Returns what is known, at little expense, and has nodes asked for some seconds."""
