"""Neighbours as routing sees them: they come, go, start anew, are suspected, and have their tables compared."""

from math import inf
from random import Random
from typing import Final

from mycelium.routing.advertise import Advertiser
from mycelium.routing.counters import RoutingCounters
from mycelium.routing.damping import FlapDamping
from mycelium.routing.excess import STARTS, Excesses
from mycelium.routing.exchange import Exchange
from mycelium.routing.forwarding import ForwardingTable
from mycelium.routing.holdings import Holdings
from mycelium.routing.kept import Kept
from mycelium.routing.metric import FAVOUR
from mycelium.routing.neighbour import Neighbour, node_of
from mycelium.routing.parameters import RoutingParameters
from mycelium.routing.pins import Pins
from mycelium.routing.resumption import Resumption
from mycelium.routing.selection import Selection
from mycelium.routing.starts import PostponedStarts
from mycelium.routing.table import RouteTable
from mycelium.timing import Backoff
from mycelium.wire.announcement import EPOCH_SHIFT
from mycelium.wire.control import Resume, Resumed, Update

RESYNC_FACTOR: Final = 2.0


class Adjacencies:
    """What happens to neighbours and their links."""

    __slots__ = (
        "_advertiser",
        "_counters",
        "_damping",
        "_excesses",
        "_exchange",
        "_favoured",
        "_forwarding",
        "_holdings",
        "_parameters",
        "_pins",
        "_postponed",
        "_resumption",
        "_rng",
        "_selection",
        "_table",
        "due_at",
    )

    def __init__(
        self,
        *,
        table: RouteTable,
        selection: Selection,
        forwarding: ForwardingTable,
        holdings: Holdings,
        pins: Pins,
        advertiser: Advertiser,
        exchange: Exchange,
        excesses: Excesses,
        parameters: RoutingParameters,
        rng: Random,
        counters: RoutingCounters,
    ) -> None:
        self._table = table
        self._selection = selection
        self._forwarding = forwarding
        self._holdings = holdings
        self._pins = pins
        self._advertiser = advertiser
        self._exchange = exchange
        self._excesses = excesses
        self._parameters = parameters
        self._rng = rng
        self._counters = counters
        self._damping = FlapDamping(parameters)
        self._postponed = PostponedStarts()
        self._resumption = Resumption(table, holdings, advertiser, parameters, counters)
        self._favoured: set[bytes] = set()  # neighbours; never iterated
        self.due_at = inf  # earliest digest, request for a table, end of damping or of what is kept, or postponed start

    def up(self, neighbour: bytes, cost: int, *, now: float) -> bool:
        """Adds a neighbour with a new control stream: it gets our whole table, and all it advertised before is void.

        Returns False for one that has started too many streams lately: it is heard after a while.
        """
        self._judge_start(neighbour, now=now)
        if neighbour in self._table.by_address:
            self._resumption.restart(self._table.by_address[neighbour])
            self._remove(self._table.by_address[neighbour], None, now=now)
        if neighbour in self._postponed.by_address:
            return False
        if not self._table.budgets.of(node_of(neighbour), now=now).starts.take(now=now):
            self._counters.starts_postponed += 1
            self._postponed.postpone(neighbour, cost, now=now)
            self.due_at = min(self.due_at, self._postponed.next_deadline())
            return False
        self._add(neighbour, cost, now=now)
        return True

    def favour(self, neighbour: bytes, *, now: float) -> None:
        """Prefers a neighbour, until it is down, to ways over others unless they are clearly shorter."""
        peer = self._table.by_address.get(neighbour)
        if neighbour not in self._favoured:
            self._favoured.add(neighbour)
            if peer is not None:
                self.set_cost(neighbour, peer.link_cost, now=now)

    def down(self, neighbour: bytes, *, now: float) -> None:
        """Removes a neighbour with all its routes; an unknown one is ignored."""
        self._favoured.discard(neighbour)
        self._postponed.by_address.pop(neighbour, None)
        peer = self._table.by_address.get(neighbour)
        if peer is None:
            return
        row = self._table.rows.get(peer.node)
        kept = self._resumption.keep(peer, now=now)
        self._damping.failed(peer, 0 if row is None else row.sequence >> EPOCH_SHIFT, now=now)
        self._remove(peer, kept, now=now)
        if kept is not None:
            self.due_at = min(self.due_at, kept.until)

    def rename(self, neighbour: bytes, name: bytes) -> None:
        """Gives a neighbour, if it is up, the name of one that is down."""
        self._postponed.rename(neighbour, name)
        peer = self._table.by_address.get(neighbour)
        if peer is None:
            return
        self._resumption.rename(neighbour, name)
        self._table.rename_neighbour(peer, name)
        for row in self._table.rows.values():
            if row.selected == peer.slot:
                self._forwarding.point(row.node, name)
        self._advertiser.outbox[:] = [(name if to == neighbour else to, items) for to, items in self._advertiser.outbox]

    def set_cost(self, neighbour: bytes, cost: int, *, now: float) -> None:
        """Applies a newly published link cost."""
        peer = self._table.by_address.get(neighbour)
        if peer is not None:
            peer.link_cost = self._counted(neighbour, cost)
            self._apply_cost(peer, "cost", now=now)
        elif (start := self._postponed.by_address.get(neighbour)) is not None:
            start.cost = cost

    def suspect(self, neighbour: bytes, suspected: bool, *, now: float) -> None:
        """Stops using a neighbour without forgetting its routes, or uses it again.

        Feasible alternates take over at once, without updates; destinations without one are retracted.
        """
        if suspected:
            self._table.budgets.of(node_of(neighbour), now=now).has_failed = True
        peer = self._table.by_address.get(neighbour)
        if peer is None:
            if (start := self._postponed.by_address.get(neighbour)) is not None:
                start.suspected = suspected
            return
        peer.suspected = suspected
        if suspected:
            self._holdings.doubt()  # before others are told
        self._table.suspected = self._table.suspected & ~peer.bit | (peer.bit if suspected else 0)
        self._apply_cost(peer, "suspected" if suspected else "trusted", now=now)

    def distrust(self, neighbour: bytes, distrusted: bool, *, now: float) -> None:
        """Takes a neighbour's routes only where there are no others, until it is down, or uses it again like any other."""
        peer = self._table.by_address.get(neighbour)
        if peer is not None and peer.distrusted is not distrusted:
            peer.distrusted = distrusted
            self._apply_cost(peer, "avoided" if distrusted else "tried again", now=now)

    def resume(self, neighbour: Neighbour, item: Resume | Resumed, *, now: float) -> list[Update]:
        """Handles what concerns a short loss; returns the updates that the neighbour need not send again."""
        return self._resumption.take(neighbour, item, now=now)

    def heard(self, neighbour: Neighbour, *, now: float) -> None:
        """Follows up what a neighbour has said."""
        self.due_at = min(self.due_at, neighbour.table_wanted_at)
        if neighbour.offer_until and neighbour.routes:  # it has nothing to offer
            neighbour.offer_until = 0.0
            self._advertiser.hurry(now=now)
        if neighbour.damped_until > now:
            self._forgive_restarted(neighbour, now=now)

    def handle_timeout(self, *, now: float) -> None:
        """Does what is due."""
        if now < self.due_at:
            return
        self._resumption.purge(now=now)
        for neighbour, start in self._postponed.take_due(now=now):
            self._table.budgets.of(node_of(neighbour), now=now).starts.take(now=now)
            self._add(neighbour, start.cost, now=now)
            self.suspect(neighbour, start.suspected, now=now)
            self._exchange.ask_for_table(self._table.by_address[neighbour], now=now)
        for peer in self._table.by_address.values():
            if now >= peer.digest_at:
                peer.digest_at = self._next_digest(now=now)
                self._advertiser.compare(peer, now=now)
            if now >= peer.table_wanted_at:
                peer.table_wanted_at = inf
                self._exchange.ask_for_table(peer, now=now)
            if 0.0 < peer.damped_until <= now:
                peer.damped_until = 0.0
                self._apply_cost(peer, "damping over", now=now)
        self._arm(now=now)

    def _judge_start(self, neighbour: bytes, *, now: float) -> None:
        """Names a neighbour that starts streams again and again while its link works.

        Where it fails both ends start one each, which this end notices one after the other: a link that flaps is no neighbour's
        fault.
        """
        budgets = self._table.budgets.of(node_of(neighbour), now=now)
        if neighbour not in self._table.by_address and neighbour not in self._postponed.by_address:
            budgets.has_failed = True  # it comes up
        elif budgets.has_failed:
            budgets.has_failed = False
        elif not budgets.restarts.take(now=now):
            self._excesses.note(node_of(neighbour), STARTS, now=now)

    def _add(self, neighbour: bytes, cost: int, *, now: float) -> None:
        parameters = self._parameters
        resync = Backoff(parameters.resync_floor_s, factor=RESYNC_FACTOR, ceiling=parameters.resync_ceiling_s)
        peer = self._table.add_neighbour(neighbour, self._counted(neighbour, cost), resync=resync, now=now)
        self._holdings.begin(peer)
        hold_s = self._damping.hold_s(peer.node)
        if hold_s and any(not other.suspected for other in self._table.by_address.values() if other is not peer):
            peer.damped_until = now + hold_s
            self._counters.damped += 1
        peer.digest_at = self._next_digest(now=now)
        self._apply_cost(peer, "up", now=now)
        self._selection.review_neighbour(peer.node, now=now)
        self._resumption.begin(peer, now=now)
        self.due_at = min(self.due_at, peer.digest_at)
        if peer.damped_until > now:
            self.due_at = min(self.due_at, peer.damped_until)

    def _remove(self, peer: Neighbour, kept: Kept | None, *, now: float) -> None:
        self._pins.forget_neighbour(peer)
        self._selection.remove(peer, kept, now=now)
        self._selection.review_neighbour(peer.node, now=now)

    def _counted(self, neighbour: bytes, cost: int) -> int:
        """Returns what the cost of a link counts for."""
        return max(cost // FAVOUR, 1) if neighbour in self._favoured else cost

    def _apply_cost(self, peer: Neighbour, cause: str, *, now: float) -> None:
        self._selection.set_cost(peer, peer.cost(now=now), cause, now=now)

    def _forgive_restarted(self, peer: Neighbour, *, now: float) -> None:
        row = self._table.rows.get(peer.node)
        if row is not None and self._damping.clear_if_restarted(peer.node, row.sequence >> EPOCH_SHIFT):
            peer.damped_until = now
            self._apply_cost(peer, "restarted", now=now)

    def _arm(self, *, now: float) -> None:
        self.due_at = min(self._postponed.next_deadline(), self._resumption.next_deadline())
        for peer in self._table.by_address.values():
            self.due_at = min(self.due_at, peer.digest_at, peer.table_wanted_at)
            if peer.damped_until > now:
                self.due_at = min(self.due_at, peer.damped_until)

    def _next_digest(self, *, now: float) -> float:
        return now + self._parameters.digest_s * self._rng.uniform(0.8, 1.2)
