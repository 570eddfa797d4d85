"""The links by this node's own indices, which datagrams name, and the news that there are others."""

from mycelium.link.link import Link
from mycelium.outbox import Outbox


class LinkIndices:
    """All indices under which some link has keys."""

    def __init__(self, outbox: Outbox) -> None:
        self.links: dict[int, Link] = {}  # read for each datagram
        self._outbox = outbox

    def add(self, index: int, link: Link) -> None:
        """Takes the index of new keys."""
        self.links[index] = link
        self._outbox.indices_changed()

    def prune(self) -> None:
        """Forgets the indices whose keys their links no longer have."""
        gone = [index for index, link in self.links.items() if index not in link.keypairs.by_index]
        for index in gone:
            del self.links[index]
        if gone:
            self._outbox.indices_changed()
