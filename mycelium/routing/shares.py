"""Room in a route table that is nearly full: nodes that only one neighbour brings give way, if it brings more than its share.

Anybody can make up nodes. The neighbour of whoever does so holds him to a share of the table, so that there is room for nodes
that others bring, here and wherever the routes are told. A node that two neighbours bring, a neighbour, and a node that is
talked to are kept.

An evicted row takes its source entry with it (RFC 8966 section 3.2.5). No other neighbour has a route there, so that only an
update that crosses our retraction could make a loop, for a round trip.
"""

from collections.abc import Callable
from itertools import islice
from math import inf
from typing import Final

from mycelium.limits import DESTINATIONS, EVICTED_AT_ONCE
from mycelium.routing.counters import RoutingCounters
from mycelium.routing.destination import Destination
from mycelium.routing.excess import SHARE, Excesses
from mycelium.routing.expiry import Expiry
from mycelium.routing.neighbour import Neighbour
from mycelium.routing.table import RouteTable
from mycelium.wire.distance import INFINITY, RETRACTED

ROOM: Final = DESTINATIONS // 16  # rows that are kept free for those who are within their shares
SWEEP_SPACING_S: Final = 0.25
OVER_SHARE_S: Final = 60.0  # how long a neighbour that brings too much brings no new node


class Shares:
    """Decides who may bring new nodes, and evicts."""

    __slots__ = ("_counters", "_excesses", "_expiry", "_keeps", "_swept_at", "_table")

    def __init__(
        self,
        *,
        table: RouteTable,
        expiry: Expiry,
        excesses: Excesses,
        counters: RoutingCounters,
        keeps: Callable[[bytes], bool],
    ) -> None:
        self._table = table
        self._expiry = expiry
        self._excesses = excesses
        self._counters = counters
        self._keeps = keeps
        self._swept_at = -inf

    def allows(self, neighbour: Neighbour, *, now: float) -> bool:
        """Tells whether a neighbour may bring a new node; makes room first if there is little."""
        if len(self._table.rows) >= DESTINATIONS - ROOM and now >= self._swept_at + SWEEP_SPACING_S:
            self._swept_at = now
            self._make_room(now=now)
        if now >= neighbour.over_share_until:
            return True
        self._counters.over_share += 1
        return False

    def _make_room(self, *, now: float) -> None:
        lost = [row for row in islice(self._table.dying, EVICTED_AT_ONCE) if row.metric == INFINITY]
        for row in lost:
            self._expiry.evict(row, now=now)
        if lost or len(self._table.by_address) < 2:
            return
        share = DESTINATIONS // (len(self._table.by_address) + 1)
        brought = [0] * len(self._table.slots)
        for row in self._table.rows.values():
            if row.selected >= 0:
                brought[row.selected] += 1
        slot = max(range(len(brought)), key=brought.__getitem__)
        if brought[slot] <= share:
            return
        made_up = [row for row in reversed(self._table.rows.values()) if self._is_brought_by(row, slot)]
        if len(made_up) > share:
            neighbour = self._table.neighbour_at(slot)
            neighbour.over_share_until = now + OVER_SHARE_S
            self._excesses.note(neighbour.node, SHARE, now=now)
            for row in made_up[:EVICTED_AT_ONCE]:
                self._counters.rows_evicted += 1
                self._expiry.evict(row, now=now)

    def _is_brought_by(self, row: Destination, slot: int) -> bool:
        """Tells whether only the neighbour in a slot has a route to a node that nothing else speaks for."""
        return (
            row.selected == slot
            and sum(route < RETRACTED for route in row.routes) == 1
            and row.node not in self._table.by_address
            and not self._keeps(row.node)
        )
