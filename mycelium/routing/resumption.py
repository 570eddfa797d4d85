"""Resumption of neighbours that were lost a moment ago: tables that the other end still has are not told again.

Each end keeps what it was told and what it had told. When the link is back, a digest of what it had told comes in place of the
table. The other end answers whether it has kept just that; if so, it takes those routes as told anew, and hears only of what
has changed meanwhile. An offer has a number, so that an answer to an earlier one counts for nothing.

What is taken is as old as the loss. No loop can come of it while the other end's feasibility distances are as old: they stay
for `RoutingParameters.source_s` after the loss, and resumption begins well before that is over.
"""

from typing import Final

from msgspec import Struct

from mycelium.limits import RESUMABLE_NEIGHBOURS
from mycelium.routing.advertise import Advertiser
from mycelium.routing.counters import RoutingCounters
from mycelium.routing.digest import digest_of
from mycelium.routing.holdings import Holdings
from mycelium.routing.neighbour import Neighbour
from mycelium.routing.parameters import RoutingParameters
from mycelium.routing.table import RouteTable
from mycelium.wire.control import Digest, Resume, Resumed, Update
from mycelium.wire.distance import INFINITY, METRIC_MASK, RETRACTED, distance, sequence_of

NUMBER_LIMIT: Final = 1 << 32


class Kept(Struct):
    """What is kept of a lost neighbour."""

    until: float
    received: dict[bytes, int]  # its finite routes
    received_digest: Digest
    told: dict[bytes, int]  # the finite routes that it has of ours
    told_digest: Digest
    is_taken: bool = False  # the neighbour has made its offer


class Resumption:
    """Keeps what was exchanged with neighbours that are lost; the oldest gives way."""

    __slots__ = ("_advertiser", "_counters", "_holdings", "_kept", "_number", "_offered", "_parameters", "_table")

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
        self._number = 0
        self._kept: dict[bytes, Kept] = {}  # by neighbour
        self._offered: dict[bytes, int] = {}  # numbers of offers without an answer, by neighbour

    def keep(self, neighbour: Neighbour, *, now: float) -> None:
        """Keeps what was exchanged with a neighbour that is lost."""
        address, slot, bit = neighbour.address, neighbour.slot, neighbour.bit
        if self._offered.pop(address, None) is not None or neighbour.dump_due:
            return  # what was kept before still holds, or there is nothing yet
        self._kept.pop(address, None)
        while len(self._kept) >= RESUMABLE_NEIGHBOURS:
            del self._kept[next(iter(self._kept))]
        rows = self._table.rows.values()
        self._kept[address] = Kept(
            now + self._parameters.resumed_s,
            {row.node: row.routes[slot] for row in rows if row.routes[slot] < RETRACTED},
            digest_of(neighbour.received),
            {row.node: row.advertised for row in rows if row.holders & bit},
            self._holdings.digest(neighbour),
        )

    def restart(self, neighbour: Neighbour) -> None:
        """Drops what is kept of a neighbour that has begun anew, unless it has said nothing yet since it is back."""
        if self._offered.pop(neighbour.address, None) is None:
            self._kept.pop(neighbour.address, None)

    def rename(self, neighbour: bytes, name: bytes) -> None:
        """Gives what concerns a neighbour that is up another name."""
        if neighbour in self._offered:
            self._offered[name] = self._offered.pop(neighbour)
        if neighbour in self._kept:
            self._kept[name] = self._kept.pop(neighbour)

    def begin(self, neighbour: Neighbour, *, now: float) -> None:
        """Offers a neighbour that is back to resume what it was told, or tells it the table."""
        kept = self._kept.get(neighbour.address)
        if kept is None or now >= kept.until:
            self._kept.pop(neighbour.address, None)
            self._advertiser.dump(neighbour, now=now)
            return
        neighbour.dump_due = False
        self._number = self._offered[neighbour.address] = (self._number + 1) % NUMBER_LIMIT
        # Not at once, as the other end may not be up yet.
        neighbour.requests.append(Resume(self._number, kept.told_digest))
        self._advertiser.hurry(now=now)

    def take(self, neighbour: Neighbour, item: Resume | Resumed, *, now: float) -> list[Update]:
        """Answers an offer, or takes the answer to one; returns the routes that are resumed."""
        if isinstance(item, Resume):
            return self._resume(neighbour, item)
        self._resumed(neighbour, item, now=now)
        return []

    def _resume(self, neighbour: Neighbour, offer: Resume) -> list[Update]:
        kept = self._kept.get(neighbour.address)
        is_held = digest_of(neighbour.received) == offer.told
        is_agreed = is_held or (kept is not None and not neighbour.received and kept.received_digest == offer.told)
        self._advertiser.outbox.append((neighbour.address, [Resumed(offer.number, is_agreed)]))
        if kept is None:
            return []
        kept.is_taken = True
        self._drop(neighbour, kept)
        if not is_agreed or is_held:
            return []
        self._counters.resumed += 1
        return [Update(node, packed) for node, packed in kept.received.items()]

    def _resumed(self, neighbour: Neighbour, answer: Resumed, *, now: float) -> None:
        """Tells a neighbour what has changed, if it has resumed what it was told before, else everything."""
        if self._offered.get(neighbour.address) != answer.number:
            return
        del self._offered[neighbour.address]
        kept = self._kept[neighbour.address]
        if answer.is_agreed:
            self._assume_told(neighbour, kept.told)
        self._advertiser.dump(neighbour, now=now)
        self._drop(neighbour, kept)

    def _drop(self, neighbour: Neighbour, kept: Kept) -> None:
        """Drops what is kept once both directions are resumed."""
        if kept.is_taken and neighbour.address not in self._offered:
            del self._kept[neighbour.address]

    def _assume_told(self, neighbour: Neighbour, told: dict[bytes, int]) -> None:
        """Notes that a neighbour holds what it was told before its loss."""
        bit, rows = neighbour.bit, self._table.rows
        for node, packed in told.items():
            row = rows.get(node)
            if row is None:
                neighbour.retractions.append(Update(node, distance(sequence_of(packed), INFINITY)))
            elif not row.holders & bit:  # else it has been told since it is back
                self._holdings.hold(row, row.holders | bit)
                row.feasibility_distance = min(row.feasibility_distance, packed)
                if packed | METRIC_MASK == row.advertised | METRIC_MASK:
                    row.announced |= bit
                if packed == row.advertised and self._advertiser.is_settled(row, neighbour):
                    row.current |= bit
