"""Timeouts of source entries, rows, and nodes whose sequence stands still (RFC 8966 sections 3.5.4 and 3.7.3).

A feasibility distance expires once no neighbour has held our route for some minutes, because no route anywhere derives from it
any more. Unfeasible routes then become usable; a row without routes is removed.
"""

from math import inf

from mycelium.routing.advertise import Advertiser
from mycelium.routing.counters import RoutingCounters
from mycelium.routing.destination import Destination
from mycelium.routing.forwarding import ForwardingTable
from mycelium.routing.parameters import RoutingParameters
from mycelium.routing.selection import Selection
from mycelium.routing.source import ForgottenSources
from mycelium.routing.table import RouteTable
from mycelium.wire.distance import INFINITY, NO_SOURCE


class Expiry:
    """Removes what has timed out."""

    __slots__ = (
        "_advertiser",
        "_counters",
        "_forwarding",
        "_parameters",
        "_selection",
        "_sources",
        "_sweep_at",
        "_table",
    )

    def __init__(
        self,
        *,
        table: RouteTable,
        sources: ForgottenSources,
        selection: Selection,
        advertiser: Advertiser,
        forwarding: ForwardingTable,
        parameters: RoutingParameters,
        counters: RoutingCounters,
        now: float,
    ) -> None:
        self._table = table
        self._sources = sources
        self._selection = selection
        self._advertiser = advertiser
        self._forwarding = forwarding
        self._parameters = parameters
        self._counters = counters
        self._sweep_at = now + parameters.sweep_s

    def next_deadline(self) -> float:
        """Returns when `handle_timeout` is wanted next."""
        dying = self._table.dying
        oldest = next(iter(dying.values())) if dying else inf
        return min(self._sweep_at, oldest + self._parameters.source_s)

    def handle_timeout(self, *, now: float) -> None:
        """Removes what is due."""
        if now >= self._sweep_at:
            self._sweep_at = now + self._parameters.sweep_s
            self._sweep(now=now)
        dying = self._table.dying
        while dying:
            row, since = next(iter(dying.items()))
            if since + self._parameters.source_s > now:
                return
            del dying[row]
            if not row.holders and self._table.rows.get(row.node) is row:
                self._end_source(row, now=now)

    def _end_source(self, row: Destination, *, now: float) -> None:
        row.feasibility_distance = NO_SOURCE
        if row.has_routes():
            self._selection.reselect(row, "source expired", now=now)
        else:
            self._remove(row, now=now)

    def evict(self, row: Destination, *, now: float) -> None:
        """Removes a row for want of room; whoever holds our route is told a retraction."""
        self._table.dying.pop(row, None)
        if self._table.rows.get(row.node) is row:  # one that was removed before dies once its retraction is sent
            self._give_up(row, "evicted", now=now)

    def _sweep(self, *, now: float) -> None:
        self._sources.purge(now=now)
        for row in list(self._table.rows.values()):
            if row is self._table.own:
                continue
            if now - row.advanced >= self._parameters.expiry_s:
                self._expire(row, now=now)
            elif row.metric == INFINITY and row not in self._table.dying:
                self._table.note_unheld(row, now=now)

    def _expire(self, row: Destination, *, now: float) -> None:
        """Removes a node whose sequence has stood still; only a newer one brings it back, so no source entry is needed."""
        self._counters.expired_nodes += 1
        self._give_up(row, "expired", now=now)

    def _give_up(self, row: Destination, cause: str, *, now: float) -> None:
        for slot in range(len(row.routes)):
            self._selection.void(row, slot)
        if row.metric != INFINITY:
            self._selection.reselect(row, cause, now=now)
        self._remove(row, now=now)

    def _remove(self, row: Destination, *, now: float) -> None:
        self._advertiser.withdraw(row, now=now)
        del self._table.rows[row.node]
        self._selection.forget(row)
        self._forwarding.release(row.node)
        self._sources.remember(row.node, row.announcement, row.advanced, now=now)
