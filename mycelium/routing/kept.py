"""What is kept of a lost neighbour (`resumption.py`)."""

from math import inf

from msgspec import Struct

from mycelium.routing.destination import Destination
from mycelium.routing.digest import digest_of
from mycelium.routing.neighbour import Neighbour
from mycelium.wire.control import Digest
from mycelium.wire.distance import RETRACTED, UNKNOWN


class Kept(Struct):
    """The routes of both ends, noted while those of a lost neighbour are cleared, and complete when that is done."""

    until: float
    routes: int  # how many there are to be noted, of both ends
    digests: tuple[Digest, ...]  # of all that it may hold: each batch may have been the last one that reached it
    sure_in: int  # the batch up to which it has acknowledged all
    told: dict[bytes, int]  # the finite routes that it has of ours; UNKNOWN where it may not have been reached
    received: dict[bytes, int]  # its finite routes
    offer: Digest | None = None  # of `received`, once complete

    def note(self, row: Destination, neighbour: Neighbour) -> None:
        """Notes what a row has of the neighbour, and the neighbour of the row."""
        if self.until == -inf:
            return
        if row.routes[neighbour.slot] < RETRACTED:
            self.received[row.node] = row.routes[neighbour.slot]
        if row.told_in > self.sure_in and row.node != neighbour.node:
            self.told[row.node] = UNKNOWN
        elif row.holders & neighbour.bit:
            # What this node has of the neighbour itself is told in any case: it may hear by that of another host with its key.
            is_known = row.current & neighbour.bit and row.node != neighbour.node
            self.told[row.node] = row.advertised if is_known else UNKNOWN

    def drop(self) -> None:
        """Forgets all, and notes nothing more."""
        self.until, self.told, self.received = -inf, {}, {}

    def complete(self, neighbour: Neighbour) -> None:
        """Notes that all rows have been looked at."""
        assert neighbour.received is not None  # begun before any row was noted
        self.offer = digest_of(neighbour.received)
