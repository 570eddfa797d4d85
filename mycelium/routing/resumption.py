"""Resumption of neighbours that were lost a moment ago: tables that the other end still has are not told again.

Each end keeps what it was told and what it had told. When the link is back, each begins to tell its table, with a digest of
what it has kept of the other's before the first route. An end that finds it had told just that says so, and goes on with what
has changed meanwhile. What was not acknowledged may have arrived or not: whatever state since then
the other end has kept is resumed, and all that was told since is told anew.

Which start of a process, and which stream, the digest is about does not matter: equal digests are equal tables. What is taken
up is as old as the loss. No loop can come of it while the other end's feasibility distances are as old: they stay for
`RoutingParameters.source_s` after the loss, and resumption begins well before that is over.
"""

from math import inf
from typing import Final

from mycelium.limits import RESUMABLE_ROUTES
from mycelium.routing.advertise import Advertiser
from mycelium.routing.counters import RoutingCounters
from mycelium.routing.digest import digest_of
from mycelium.routing.holdings import Holdings
from mycelium.routing.kept import Kept
from mycelium.routing.neighbour import Neighbour
from mycelium.routing.parameters import RoutingParameters
from mycelium.routing.table import RouteTable
from mycelium.wire.control import Digest, Resume, Resumed, Update
from mycelium.wire.distance import RETRACTED

OFFER_AWAITED_S: Final = 0.5  # for the first message of the other end, before the table is told as if there were none


class Resumption:
    """Keeps what was exchanged with neighbours that are lost; who was lost first gives way."""

    __slots__ = ("_advertiser", "_counters", "_holdings", "_kept", "_parameters", "_routes", "_table")

    def __init__(
        self,
        table: RouteTable,
        holdings: Holdings,
        advertiser: Advertiser,
        parameters: RoutingParameters,
        counters: RoutingCounters,
    ) -> None:
        self._table = table
        self._holdings = holdings
        self._advertiser = advertiser
        self._parameters = parameters
        self._counters = counters
        self._kept: dict[bytes, Kept] = {}  # by neighbour
        self._routes = 0  # in all of them

    def keep(self, neighbour: Neighbour, *, now: float) -> Kept | None:
        """Returns where to note what was exchanged with a neighbour that is lost."""
        if neighbour.resumed:
            return None  # it may hold what has not been compared yet
        self._drop(neighbour.address)
        received = digest_of(self._table.received_from(neighbour))  # while the rows have what it advertised
        digests: tuple[Digest, ...] = (self._holdings.digest(neighbour),)
        sure_in = self._advertiser.batch
        if not self._advertiser.has_all(neighbour):
            digests, sure_in = self._holdings.digests(neighbour), neighbour.sure_in
        routes = received.routes + len(self._table.rows)
        while self._kept and self._routes + routes > RESUMABLE_ROUTES:
            self._drop(next(iter(self._kept)))
        self._routes += routes
        until = now + self._parameters.resumed_s
        kept = self._kept[neighbour.address] = Kept(until, routes, digests, sure_in, {}, {})
        return kept

    def restart(self, neighbour: Neighbour) -> None:
        """Drops what is kept of a neighbour that has begun anew, unless it has said nothing yet since it is back."""
        if neighbour.routes:
            self._drop(neighbour.address)

    def rename(self, neighbour: bytes, name: bytes) -> None:
        """Gives what concerns a neighbour that is up another name."""
        if neighbour in self._kept:
            self._drop(name)
            self._kept[name] = self._kept.pop(neighbour)

    def next_deadline(self) -> float:
        """Returns when something is kept for too long, infinity for never."""
        return min((kept.until for kept in self._kept.values()), default=inf)

    def purge(self, *, now: float) -> None:
        """Drops what is kept for too long."""
        for name in [name for name, kept in self._kept.items() if kept.until <= now]:
            self._drop(name)

    def begin(self, neighbour: Neighbour, *, now: float) -> None:
        """Begins to tell a neighbour the table, with what is kept of its own."""
        kept = self._of(neighbour, now=now)
        if kept is None or kept.offer is None:
            self._drop(neighbour.address)
        else:
            if kept.received:
                neighbour.requests.append(Resume(kept.offer))
            if kept.told:
                neighbour.offer_until = now + OFFER_AWAITED_S
        self._advertiser.dump(neighbour, now=now)

    def take(self, neighbour: Neighbour, item: Resume | Resumed, *, now: float) -> list[Update]:
        """Takes up what a neighbour has kept, or returns what is kept of it as updates, since that is what it says still."""
        kept = self._of(neighbour, now=now)
        if kept is None:
            return []
        if isinstance(item, Resumed):
            received, kept.received, kept.offer = kept.received, {}, None
            return [Update(node, packed) for node, packed in received.items() if not self._is_told(node, neighbour)]
        told, kept.told, neighbour.offer_until = kept.told, {}, 0.0
        if told and item.kept in kept.digests:
            self._counters.resumed += 1
            self._advertiser.take_up(neighbour, told, now=now)
        else:
            self._advertiser.hurry(now=now)
        return []

    def _drop(self, neighbour: bytes) -> None:
        kept = self._kept.pop(neighbour, None)
        if kept is not None:
            self._routes -= kept.routes
            kept.drop()

    def _of(self, neighbour: Neighbour, *, now: float) -> Kept | None:
        kept = self._kept.get(neighbour.address)
        return None if kept is None or now >= kept.until else kept

    def _is_told(self, node: bytes, neighbour: Neighbour) -> bool:
        """Tells whether a neighbour has told a route to a node since it is back."""
        row = self._table.rows.get(node)
        return row is not None and row.routes[neighbour.slot] < RETRACTED
