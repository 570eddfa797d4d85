"""Route acquisition (RFC 8966 section 3.5.3): how an update changes the table.

Every update is stored, even an unfeasible one, because recovery starts from those. The sequence of a finite one must be signed
by its node; otherwise the update counts as a retraction of the neighbour's previous route.
"""

from collections.abc import Iterator, Sequence

from mycelium.routing.advertise import Advertiser
from mycelium.routing.announcements import AnnouncementChecker
from mycelium.routing.counters import RoutingCounters
from mycelium.routing.destination import OURSELVES, Destination
from mycelium.routing.digest import growth_of
from mycelium.routing.duplicate import LEAST_LEAP
from mycelium.routing.forwarding import ForwardingTable
from mycelium.routing.neighbour import Neighbour
from mycelium.routing.origin import Origin
from mycelium.routing.parameters import RoutingParameters
from mycelium.routing.requests import Requests
from mycelium.routing.selection import Selection
from mycelium.routing.shares import Shares
from mycelium.routing.source import ForgottenSource, ForgottenSources
from mycelium.routing.table import RouteTable
from mycelium.wire.announcement import EPOCH_SHIFT, Announcement
from mycelium.wire.control import Item, RouteRequest, Update
from mycelium.wire.distance import INFINITY, METRIC_MASK, RETRACTED, SEQUENCE_MASK, UNKNOWN, sequence_of


class Acquisition:
    """Applies updates."""

    __slots__ = (
        "_advertiser",
        "_checker",
        "_counters",
        "_forwarding",
        "_origin",
        "_parameters",
        "_requests",
        "_selection",
        "_shares",
        "_sources",
        "_table",
    )

    def __init__(
        self,
        *,
        table: RouteTable,
        sources: ForgottenSources,
        checker: AnnouncementChecker,
        origin: Origin,
        selection: Selection,
        shares: Shares,
        requests: Requests,
        advertiser: Advertiser,
        forwarding: ForwardingTable,
        parameters: RoutingParameters,
        counters: RoutingCounters,
    ) -> None:
        self._table = table
        self._sources = sources
        self._checker = checker
        self._origin = origin
        self._selection = selection
        self._shares = shares
        self._requests = requests
        self._advertiser = advertiser
        self._forwarding = forwarding
        self._parameters = parameters
        self._counters = counters

    def take_updates(self, neighbour: Neighbour, items: Sequence[Item], *, now: float) -> Iterator[Item]:
        """Applies the updates among `items` in order and yields the other items in between."""
        # The hottest loop of a cold start: attributes are bound to locals, and the frequent case makes no call.
        self._advertiser.budget = neighbour.budgets.changes
        slot = neighbour.slot
        row_of = self._table.rows.get
        cost = self._table.costs[slot]
        choose = self._selection.choose
        self._counters.updates_received += len(items)
        for item in items:
            if type(item) is not Update:
                self._counters.updates_received -= 1
                yield item
                continue
            route = item.distance
            announcement = item.announcement
            row = row_of(item.node)
            if (
                row is None
                or (metric := route ^ row.floor) >= INFINITY
                or (announcement is not None and announcement is not row.announcement)
            ):
                # anything but a finite metric with the newest known sequence
                metric = route & METRIC_MASK
                if metric == INFINITY:
                    self._take_retraction(neighbour, item, row, now=now)
                    continue
                row = (
                    self._first_update(neighbour, item, now=now)
                    if row is None
                    else self._admit(neighbour, item, row, now=now)
                )
                if row is None:
                    continue
            routes = row.routes
            before = routes[slot]
            if before != route:
                routes[slot] = route
                neighbour.routes += before >= RETRACTED
                if neighbour.received is not None:
                    neighbour.received += growth_of(row.node, before, route)
            if slot == row.selected:
                self._selection.selected_updated(row, before, now=now)
                continue
            metric += cost if not row.avoided else self._table.cost_to(row, slot)
            if metric < row.metric:
                if route < row.feasibility_distance:
                    choose(row, slot, metric, "better", now=now)
                else:
                    self._requests.ask(row, now=now)

    def _admit(self, neighbour: Neighbour, update: Update, row: Destination, *, now: float) -> Destination | None:
        """Returns the row of an update that may be applied, with its announcement stored; else None."""
        if row.selected == OURSELVES:
            self._hear_of_ourselves(neighbour, update, now=now)
            return row
        if update.announcement is not None and row.routes[neighbour.slot] != UNKNOWN:  # what it tells first is no news
            self._checker.renewed(neighbour, now=now)
        if not self._is_signed(neighbour, update, row, now=now):
            self._selection.retract(row, neighbour.slot, now=now)
            return None
        if self._is_outdated(neighbour, update, row.sequence):
            self._advertiser.tell_newer(neighbour, row.node, row.announcement, now=now)
        return row

    def _take_retraction(self, neighbour: Neighbour, update: Update, row: Destination | None, *, now: float) -> None:
        if row is None:
            return
        if row.selected == OURSELVES:
            self._hear_of_ourselves(neighbour, update, now=now)
        else:
            self._take_announcement(neighbour, update, row, now=now)
        self._selection.retract(row, neighbour.slot, now=now)

    def _hear_of_ourselves(self, neighbour: Neighbour, update: Update, *, now: float) -> None:
        """Notes a newer sequence of our own, of a start before this one or of another host. The route itself is never used."""
        announcement = update.announcement
        if announcement is None or announcement.sequence <= self._origin.sequence:
            return
        if self._checker.is_valid(announcement, update.node, neighbour, now=now):
            self._origin.want_past(announcement.sequence, now=now)

    def _take_announcement(self, neighbour: Neighbour, update: Update, row: Destination, *, now: float) -> None:
        """Stores the newer announcement that a retraction carries, and spreads it towards the origin."""
        announcement = update.announcement
        if announcement is None or announcement.sequence <= row.sequence:
            return
        if self._checker.is_valid(announcement, update.node, neighbour, now=now):
            self._keep(row, announcement, now=now)
            self._show_to_outdated(row, announcement.sequence, now=now)

    def _first_update(self, neighbour: Neighbour, update: Update, *, now: float) -> Destination | None:
        """Adds and returns the row of a new node if the update carries a current announcement; else None."""
        if not self._shares.allows(neighbour, now=now) or not self._is_introduced(neighbour, update, now=now):
            return None
        announcement = update.announcement
        assert announcement is not None
        advanced = now
        if self._sources.by_node and (source := self._sources.recall(update.node, now=now)) is not None:
            if self._is_stale(neighbour, update, source, now=now):
                self._counters.announcements_stale += 1
                return None
            if update.sequence == source.announcement.sequence:
                advanced = source.advanced
        row = self._table.add_row(update.node, announcement, advanced)
        if row is None:
            self._counters.table_full += 1
            return None
        if announcement.flags:
            self._selection.learned(row, now=now)
        if self._sources.by_node:
            self._sources.forget(update.node)
        self._forwarding.claim(update.node)
        if announcement.prefixes:
            self._forwarding.assign(update.node, announcement.prefixes)
        return row

    def _is_stale(self, neighbour: Neighbour, update: Update, source: ForgottenSource, *, now: float) -> bool:
        """Tells whether a removed node had a newer sequence, which the neighbour is then shown, or expired with this one."""
        if update.sequence < source.announcement.sequence:
            self._advertiser.tell_newer(neighbour, update.node, source.announcement, now=now)
            return True
        return update.sequence == source.announcement.sequence and now - source.advanced >= self._parameters.expiry_s

    def _is_signed(self, neighbour: Neighbour, update: Update, row: Destination, *, now: float) -> bool:
        """Tells whether the update's sequence was signed by its node; stores a new announcement."""
        known = row.announcement_of(update.distance)
        if known is not None and update.announcement in (None, known):
            return True
        if not self._is_introduced(neighbour, update, now=now):
            return False
        assert update.announcement is not None
        if known is None:
            self._learn(row, update.announcement, neighbour, now=now)
        return True

    def _is_introduced(self, neighbour: Neighbour, update: Update, *, now: float) -> bool:
        """Tells whether the update carries a valid announcement with its sequence."""
        announcement = update.announcement
        if announcement is None:
            self._counters.announcements_missing += 1
            if neighbour.budgets.questions.take(now=now):
                neighbour.requests.append(RouteRequest(update.node))
                self._advertiser.hurry(now=now)
            return False
        if announcement.sequence ^ update.distance >> 32 != SEQUENCE_MASK:
            self._counters.announcements_mismatched += 1
            return False
        return self._checker.is_valid(announcement, update.node, neighbour, now=now)

    def _learn(self, row: Destination, announcement: Announcement, source: Neighbour, *, now: float) -> None:
        """Stores a verified announcement, and shows it to the node itself if that is another neighbour, with an older one.

        One that increases do not lead to, of another start or a jump, is shown to all neighbours with routes so much older, as
        another host with the same key must hear of it.
        """
        before, sequence = row.sequence, announcement.sequence
        self._keep(row, announcement, now=now)
        if row.node in self._table.by_address:
            for origin in self._table.by_address.values():
                if origin is not source and origin.node == row.node:
                    self._show_if_outdated(origin, row, sequence, now=now)
                    if source.node == row.node and sequence >> EPOCH_SHIFT > before >> EPOCH_SHIFT:
                        self._selection.retract(row, origin.slot, now=now)  # the later start has the address
        if sequence - before >= LEAST_LEAP:
            self._show_to_outdated(row, sequence - LEAST_LEAP + 1, now=now)

    def _keep(self, row: Destination, announcement: Announcement, *, now: float) -> None:
        before, flags = row.announcement.prefixes, row.announcement.flags
        row.learn(announcement, now=now)
        if row.announcement.prefixes != before:
            self._forwarding.assign(row.node, row.announcement.prefixes)
        if row.announcement.flags != flags:
            self._selection.learned(row, now=now)

    def _show_to_outdated(self, row: Destination, sequence: int, *, now: float) -> None:
        """Shows the newest announcement to neighbours whose routes are older than `sequence`."""
        for neighbour in self._table.by_address.values():
            self._show_if_outdated(neighbour, row, sequence, now=now)

    def _show_if_outdated(self, neighbour: Neighbour, row: Destination, sequence: int, *, now: float) -> None:
        route = row.routes[neighbour.slot]
        if route < RETRACTED and sequence_of(route) < sequence:
            self._advertiser.tell_newer(neighbour, row.node, row.announcement, now=now)

    def _is_outdated(self, neighbour: Neighbour, update: Update, newest: int) -> bool:
        """Tells whether an older sequence is more than an update that is still delayed.

        That is an older epoch, or an older sequence from the node itself, which has lost its state.
        """
        if update.sequence >= newest:
            return False
        return update.sequence >> EPOCH_SHIFT < newest >> EPOCH_SHIFT or neighbour.node == update.node
