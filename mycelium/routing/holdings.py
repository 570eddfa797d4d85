"""What neighbours hold of ours, and the digests of that.

Nearly all neighbours hold nearly all routes: all but their next hop. So one sum is kept over all routes that any neighbour
holds, and for each neighbour one over those of them that it lacks; a change of a route costs as much as there are neighbours
without it. The sums are begun when the first digest is wanted: at a cold start, before that, each route changes several times.
"""

from mycelium.limits import STATES_REMEMBERED
from mycelium.routing.destination import Destination
from mycelium.routing.digest import change_of, digest_of, share_of
from mycelium.routing.neighbour import Neighbour
from mycelium.routing.table import RouteTable
from mycelium.wire.control import Digest


class Holdings:
    """Sets `holders` and `advertised` of all rows."""

    __slots__ = ("_held", "_is_summing", "_table")

    def __init__(self, table: RouteTable) -> None:
        self._table = table
        self._is_summing = False
        self._held = 0  # sum of the rows that any neighbour holds

    def begin(self, neighbour: Neighbour) -> None:
        """Follows a neighbour that is up and holds nothing."""
        neighbour.lacking = self._held

    def advertise(self, row: Destination, packed: int) -> None:
        """Changes the distance of a row; whoever holds it is told before its digest is sent."""
        if self._is_summing and row.holders:
            self._add(self._table.up & ~row.holders, change_of(row.node, row.advertised, packed))
        row.advertised = packed

    def hold(self, row: Destination, holders: int) -> None:
        """Sets the neighbours (bits) that hold a row."""
        before, row.holders = row.holders, holders
        if before == holders or not self._is_summing:
            return
        up = self._table.up
        if before and holders:
            lost, won = before & ~holders & up, holders & ~before & up
            if lost or won:  # not of a neighbour that is down, whose sum nobody wants: it lets go of each row
                share = share_of(row.node, row.advertised)
                self._lack(lost, share)
                self._lack(won, -share)
        elif holders:
            self._add(up & ~holders, share_of(row.node, row.advertised))
        else:
            self._add(up & ~before, -share_of(row.node, row.advertised))

    def digest(self, neighbour: Neighbour) -> Digest:
        """Returns the digest of what a neighbour holds once it has got all that it was told."""
        return digest_of(self._sum(neighbour))

    def digests(self, neighbour: Neighbour) -> tuple[Digest, ...]:
        """Returns those of all states that a neighbour may be in that has not acknowledged everything."""
        return tuple(map(digest_of, dict.fromkeys((*neighbour.sums, self._sum(neighbour)))))

    def doubt(self) -> None:
        """Notes what neighbours hold of which one may not be reached any more."""
        if not self._is_summing:
            self._begin_sums()

    def post(self, neighbour: Neighbour, batch: int, *, has_all: bool) -> None:
        """Notes that a neighbour is sent a batch; `has_all` if it has acknowledged all before that."""
        if has_all:
            neighbour.sums, neighbour.sure_in = neighbour.sums[-1:], batch - 1
        if self._is_summing:
            if len(neighbour.sums) == STATES_REMEMBERED:
                neighbour.sums.pop()
            neighbour.sums.append(self._held - neighbour.lacking)

    def _sum(self, neighbour: Neighbour) -> int:
        if not self._is_summing:
            self._begin_sums()
        return self._held - neighbour.lacking

    def _begin_sums(self) -> None:
        """Reads all rows; one that few neighbours hold, such as a pinned one at a hub, costs as much as there are of those."""
        self._is_summing = True
        up, lacked_by_all = self._table.up, 0
        for row in self._table.rows.values():
            if row.holders:
                share, holders = share_of(row.node, row.advertised), up & row.holders
                self._held += share
                if 2 * holders.bit_count() < up.bit_count():
                    lacked_by_all += share
                    self._lack(holders, -share)
                else:
                    self._lack(up ^ holders, share)
        for neighbour in self._table.by_address.values():
            neighbour.lacking += lacked_by_all
            neighbour.sums = [self._held - neighbour.lacking]

    def _add(self, lacking: int, share: int) -> None:
        self._held += share
        self._lack(lacking, share)

    def _lack(self, neighbours: int, share: int) -> None:
        slots = self._table.slots
        while neighbours:
            slot = neighbours.bit_length() - 1
            neighbours ^= 1 << slot
            slots[slot].lacking += share  # type: ignore[union-attr]  # a bit is set only where a neighbour is
