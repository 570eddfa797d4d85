"""Route selection (RFC 8966 section 3.6): the feasible route with the smallest metric, the selected one on ties.

Selection is immediate: a route is unselected in the same call that makes it unusable. Feasibility compares the distance that
the neighbour advertises, without the cost of its link. Only a route that is about to be selected must be feasible.
"""

from collections import deque
from functools import partial

from mycelium.limits import ROUTE_CHANGES
from mycelium.routing.advertise import Advertiser
from mycelium.routing.destination import NOBODY, Destination
from mycelium.routing.digest import share_of
from mycelium.routing.forwarding import ForwardingTable
from mycelium.routing.holdings import Holdings
from mycelium.routing.kept import Kept
from mycelium.routing.neighbour import Neighbour, node_of
from mycelium.routing.requests import Requests
from mycelium.routing.scope import Scope
from mycelium.routing.sweeps import Sweeps
from mycelium.routing.table import RouteTable
from mycelium.wire.distance import INFINITY, RETRACTED, UNKNOWN, metric_of

# time, destination node, next hop before and after (None for no route), cause
RouteChange = tuple[float, bytes, bytes | None, bytes | None, str]


class Selection:
    """Selects routes, and updates the forwarding table and the queues of neighbours."""

    __slots__ = (
        "_advertiser",
        "_forwarding",
        "_holdings",
        "_requests",
        "_scope",
        "_table",
        "changes",
        "choices",
        "news",
        "sweeps",
    )

    def __init__(
        self,
        table: RouteTable,
        forwarding: ForwardingTable,
        holdings: Holdings,
        scope: Scope,
        advertiser: Advertiser,
        requests: Requests,
    ) -> None:
        self._table = table
        self._forwarding = forwarding
        self._holdings = holdings
        self._scope = scope
        self._advertiser = advertiser
        self._requests = requests
        self.sweeps = Sweeps(table)
        self.changes: deque[RouteChange] = deque(maxlen=ROUTE_CHANGES)
        self.choices = 0  # changes of a next hop or a metric
        self.news: list[Destination] = []  # landmarks that have changed

    def choose(self, row: Destination, slot: int, metric: int, cause: str, *, now: float) -> None:
        """Selects the route that the caller found best, or none: slot NOBODY and metric INFINITY."""
        self.choices += 1
        is_moved = row.selected != slot
        if is_moved:
            row.selected, row.chosen_at = slot, now
        row.metric = metric
        scope = self._scope
        if scope.is_cutting:
            scope.follow(row)
        if is_moved or scope.is_cutting:
            self._point(row, cause, now=now)
        if row.node in scope.landmarks:
            self._landmark_changed(row)
        self._advertiser.mark(row, now=now)
        if self._requests.pending and slot != NOBODY and row.node in self._requests.pending:
            self._requests.satisfy(row, now=now)

    def _point(self, row: Destination, cause: str, *, now: float) -> None:
        """Has packets follow the selected route of a row that is in scope."""
        is_used = row.selected >= 0 and (not self._scope.is_cutting or self._scope.holds(row))
        before, after = (
            self._forwarding.next_hop.get(row.node),
            self._table.addresses[row.selected] if is_used else None,
        )
        if before != after:
            self._forwarding.point(row.node, after)
            self.changes.append((now, row.node, before and node_of(before), after and node_of(after), cause))

    def _landmark_changed(self, row: Destination) -> None:
        self.news.append(row)
        if row.node in self._scope.pins.by_home:
            self._scope.pins.stale[row.node] = None

    def learned(self, row: Destination, *, now: float) -> None:
        """Follows up a new announcement, with which a node may have become a landmark, or no longer be one."""
        was_landmark = row.node in self._scope.landmarks
        self._scope.learned(row)
        if was_landmark is not (row.node in self._scope.landmarks):
            self._landmark_changed(row)
            self.review(row, now=now)

    def take_news(self) -> list[Destination]:
        """Returns the landmarks that have changed since the last call."""
        news, self.news = self.news, []
        return news

    def forget(self, row: Destination) -> None:
        """Follows up the removal of a row, whose last route is gone, so that a landmark has been left already."""
        self._scope.forget(row)

    def review(self, row: Destination, *, now: float) -> None:
        """Uses and tells of a row that came into scope, or no longer."""
        self._point(row, "scope", now=now)
        if row.metric < INFINITY:  # else its loss is told already, or it is new and has no route yet
            self._advertiser.mark(row, now=now)
        self._requests.ask(row, now=now)  # while it was out of scope, no better route was asked for

    def review_pinned(self, node: bytes, *, now: float) -> None:
        """Follows up that pins of a node have changed, which is no news to anybody if it is in scope for another reason."""
        row = self._table.rows.get(node)
        if row is not None and self._scope.depends_on_pins(row):
            self.review(row, now=now)

    def review_neighbour(self, node: bytes, *, now: float) -> None:
        """Follows up that a node has become a neighbour, which is in scope, or no longer is one."""
        if self._scope.is_cutting and (row := self._table.rows.get(node)) is not None:
            self.review(row, now=now)

    def redraw_scope(self, *, now: float) -> None:
        """Brings the scope up to date if it has become too large or too small."""
        if not self._scope.is_due(len(self._forwarding.next_hop)):
            return
        for row in self._scope.redraw():
            self.review(row, now=now)
        for row in self._table.rows.values():
            if not row.near:  # over a route that is not feasible it may have a place now
                self._requests.ask(row, now=now)
        self.news.append(self._table.own)

    def follow_pins(self, *, now: float) -> None:
        """Passes on what is pinned at this node."""
        if self._scope.pins.stale:
            for node in self._scope.pins.follow(self._table):
                self.review_pinned(node, now=now)

    def selected_updated(self, row: Destination, before: int, *, now: float) -> None:
        """Handles an update of the selected route, which the row already holds; `before` is the route it replaced."""
        slot = row.selected
        route = row.routes[slot]
        metric = metric_of(route) + self._table.cost_to(row, slot)
        if route >= row.feasibility_distance or metric > row.metric:
            self.reselect(row, "worse", now=now)
        elif metric < row.metric:
            self.choose(row, slot, metric, "better", now=now)
        elif route != before:
            told = row.announcement_of(row.advertised) if self._scope.is_limited else None
            if told is not None and told.flags != row.announcement.flags:  # all are to know landmarks soon
                self._advertiser.mark(row, now=now)
            else:
                self._advertiser.mark_lazy(row, now=now)
            if row.node in self._requests.pending:
                self._requests.satisfy(row, now=now)

    def reselect(self, row: Destination, cause: str, *, now: float) -> None:
        """Selects anew among all routes of a row whose selected route became worse or was lost.

        The selected route may stay although it is no longer feasible. A feasibility distance never grows while neighbours
        hold our route, so the next hop's is still smaller than ours, and that is sufficient to exclude loops.
        """
        limit = row.feasibility_distance
        costs = self._table.costs if not row.avoided else self._costs_to(row)
        best, best_slot = INFINITY, NOBODY
        if row.selected >= 0 and row.routes[row.selected] < RETRACTED:
            metric = metric_of(row.routes[row.selected]) + costs[row.selected]
            if metric < INFINITY:
                best, best_slot = metric, row.selected
        for slot, route in enumerate(row.routes):
            if route < limit:
                metric = metric_of(route) + costs[slot]
                if metric < best:
                    best, best_slot = metric, slot
        if best_slot != row.selected or best != row.metric:
            self.choose(row, best_slot, best, cause, now=now)
        self._requests.ask(row, now=now)

    def retract(self, row: Destination, slot: int, *, now: float) -> None:
        """Removes a neighbour's route."""
        self.void(row, slot)
        if slot == row.selected:
            self.reselect(row, "retracted", now=now)

    def void(self, row: Destination, slot: int) -> None:
        """Makes a neighbour's route unusable; the caller selects anew."""
        route = row.routes[slot]
        if route < RETRACTED:
            neighbour = self._table.neighbour_at(slot)
            neighbour.routes -= 1
            if neighbour.received is not None:
                neighbour.received -= share_of(row.node, route)
            row.routes[slot] = route | RETRACTED

    def avoid(self, row: Destination, neighbour: Neighbour, avoided: bool, *, now: float) -> None:
        """Counts a neighbour's route to a node as longer than it says, until it is down, or as what it is again.

        Feasibility is a matter of what neighbours advertise, and stays as it is, so no loop can come of it; and a route that
        is the only one stays in use.
        """
        if bool(row.avoided & neighbour.bit) is not avoided:
            row.avoided ^= neighbour.bit
            self.reselect(row, "avoided" if avoided else "tried again", now=now)

    def _costs_to(self, row: Destination) -> list[int]:
        return [self._table.cost_to(row, slot) for slot in range(len(row.routes))]

    def set_cost(self, neighbour: Neighbour, cost: int, cause: str, *, now: float) -> None:
        """Applies a neighbour's cost to all its routes; INFINITY excludes them."""
        slot = neighbour.slot
        before = self._table.costs[slot]
        self._table.costs[slot] = cost
        if cost == before:
            return
        if slot in self.sweeps.by_slot:
            work = partial(self._link_changed, slot, cause)
        elif cost > before:
            work = partial(self._link_worsened, slot, cause)
        else:
            work = partial(self._link_improved, slot, cost, cause)
        self.sweeps.start(slot, work, now=now)

    def remove(self, neighbour: Neighbour, kept: Kept | None, *, now: float) -> None:
        """Forgets all that a lost neighbour advertised and holds, but for what is kept of it, then frees its slot."""
        self._requests.forget_neighbour(neighbour)
        self._table.part_with(neighbour)
        free = partial(self._free, neighbour, kept)
        self.sweeps.start(neighbour.slot, partial(self._forget, neighbour, kept), then=free, now=now)

    def _free(self, neighbour: Neighbour, kept: Kept | None) -> None:
        if kept is not None:
            kept.complete(neighbour)
        self._table.free(neighbour)

    def _forget(self, neighbour: Neighbour, kept: Kept | None, rows: list[Destination], *, now: float) -> None:
        slot, others = neighbour.slot, ~neighbour.bit
        for row in rows:
            if kept is not None:
                kept.note(row, neighbour)
            had_route = row.routes[slot] < RETRACTED
            row.routes[slot] = UNKNOWN
            row.announced &= others
            row.avoided &= others
            if row.holders & neighbour.bit:
                self._holdings.hold(row, row.holders & others)
                row.current &= others
                self._table.note_unheld(row, now=now)
            if row.selected == slot:
                self.reselect(row, "lost", now=now)
            elif had_route and row.metric == INFINITY:
                # No request was sent while the neighbour was only suspected, because it might have come back.
                self._requests.ask(row, now=now)

    def _link_changed(self, slot: int, cause: str, rows: list[Destination], *, now: float) -> None:
        # The sweep for an earlier cost has not come to all rows, so some may have to follow either way.
        for row in rows:
            if row.routes[slot] < RETRACTED and row is not self._table.own:
                self.reselect(row, cause, now=now)

    def _link_worsened(self, slot: int, cause: str, rows: list[Destination], *, now: float) -> None:
        for row in rows:
            if row.selected == slot:
                self.reselect(row, cause, now=now)

    def _link_improved(self, slot: int, cost: int, cause: str, rows: list[Destination], *, now: float) -> None:
        for row in rows:
            route = row.routes[slot]
            if route >= RETRACTED or metric_of(route) + cost >= row.metric:
                continue
            if row.avoided:
                self.reselect(row, cause, now=now)
            elif route < row.feasibility_distance or slot == row.selected:
                self.choose(row, slot, metric_of(route) + cost, cause, now=now)
            else:  # never of the row of this node itself, whose metric is 0
                self._requests.ask(row, now=now)
