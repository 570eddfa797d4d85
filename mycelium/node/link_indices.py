"""The links by this node's own indices, which datagrams name, and the news that there are others."""

from collections.abc import Iterator

from mycelium.link.congestion import note_marks
from mycelium.link.link import Link
from mycelium.link.slowed import Slowed
from mycelium.outbox import Outbox


class LinkIndices:
    """All indices under which some link has keys."""

    def __init__(self, outbox: Outbox, slowed: Slowed) -> None:
        self.links: dict[int, Link] = {}  # read for each datagram
        self._outbox = outbox
        self._slowed = slowed

    def add(self, index: int, link: Link) -> None:
        """Takes the index of new keys."""
        self.links[index] = link
        self._outbox.indices_changed()

    def note_congestion(self, burst: memoryview, segment_size: int) -> None:
        """Notes that a router has marked datagrams, which `Node.receive` is handed next, with Congestion Experienced."""
        link = self.links.get(int.from_bytes(burst[4:8], "big"))
        if link is not None:
            note_marks(link.keypairs.by_index, burst, segment_size)

    def expected(self) -> Iterator[int]:
        """Yields the indices of neighbours that are not slowed."""
        return (index for index, link in self.links.items() if link.address not in self._slowed)

    def prune(self, *, now: float) -> None:
        """Forgets the indices whose keys their links no longer have, and ends what is over; to be called every second."""
        self._slowed.sweep(now=now)
        gone = [index for index, link in self.links.items() if index not in link.keypairs.by_index]
        for index in gone:
            del self.links[index]
        if gone:
            self._outbox.indices_changed()
