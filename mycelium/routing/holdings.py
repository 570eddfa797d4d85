"""What neighbours hold of ours, and the digests of that.

Nearly all neighbours hold nearly all routes: all but their next hop. So one sum is kept over all routes that any neighbour
holds, and for each neighbour one over those of them that it lacks; a change of a route costs as much as there are neighbours
without it.
"""

from mycelium.routing.destination import Destination
from mycelium.routing.digest import change_of, digest_of, share_of
from mycelium.routing.neighbour import Neighbour
from mycelium.routing.table import RouteTable
from mycelium.wire.control import Digest


class Holdings:
    """Sets `holders` and `advertised` of all rows."""

    __slots__ = ("_held", "_table")

    def __init__(self, table: RouteTable) -> None:
        self._table = table
        self._held = 0  # sum of the rows that any neighbour holds

    def begin(self, neighbour: Neighbour) -> None:
        """Follows a neighbour that is up and holds nothing."""
        neighbour.lacking = self._held

    def advertise(self, row: Destination, packed: int) -> None:
        """Changes the distance of a row; whoever holds it is told before its digest is sent."""
        if row.holders:
            self._add(self._table.up & ~row.holders, change_of(row.node, row.advertised, packed))
        row.advertised = packed

    def hold(self, row: Destination, holders: int) -> None:
        """Sets the neighbours (bits) that hold a row."""
        before, row.holders = row.holders, holders
        if before == holders:
            return
        share = share_of(row.node, row.advertised)
        if not before:
            self._add(self._table.up & ~holders, share)
        elif not holders:
            self._add(self._table.up & ~before, -share)
        else:
            self._lack(before & ~holders, share)
            self._lack(holders & ~before, -share)

    def digest(self, neighbour: Neighbour) -> Digest:
        """Returns the digest of what a neighbour holds."""
        return digest_of(self._held - neighbour.lacking)

    def _add(self, lacking: int, share: int) -> None:
        self._held += share
        self._lack(lacking, share)

    def _lack(self, neighbours: int, share: int) -> None:
        while neighbours:
            bit = neighbours & -neighbours
            neighbours ^= bit
            self._table.neighbour_at(bit.bit_length() - 1).lacking += share
