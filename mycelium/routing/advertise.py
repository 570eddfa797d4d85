"""Advertisement of routes: each neighbour gets an update only when a route changes, batched over its reliable stream.

Feasibility distances are set only here, when an update is put into a batch (RFC 8966 section 3.7.3). A batch carries the state
at that moment, not the one at the time of queueing. The new next hop of a route gets a retraction (poison reverse) if it holds
our route, and nothing otherwise.
"""

from collections.abc import Callable
from math import inf
from random import Random

from mycelium.limits import (
    DUMP_BACKLOG_BYTES,
    DUMP_ROWS_AT_ONCE,
    ROWS_BEFORE_OFFER,
    TOLD_AT_ONCE,
    TOLD_ROWS_AT_ONCE,
)
from mycelium.routing.counters import RoutingCounters
from mycelium.routing.destination import DIRTY, LAZY, OURSELVES, SETTLED, Destination
from mycelium.routing.dumps import Dumps
from mycelium.routing.holdings import Holdings
from mycelium.routing.neighbour import Neighbour
from mycelium.routing.parameters import RoutingParameters
from mycelium.routing.scope import EVERYBODY, Scope
from mycelium.routing.table import RouteTable
from mycelium.routing.update_run import UpdateRun
from mycelium.timing import TokenBucket
from mycelium.wire.announcement import Announcement
from mycelium.wire.control import Item, Resumed, Update
from mycelium.wire.distance import INFINITY, METRIC_MASK, distance, sequence_of


class Advertiser:
    """Queues rows for neighbours and makes batches of them."""

    __slots__ = (
        "_counters",
        "_dirty",
        "_dumps",
        "_free_frames",
        "_holdings",
        "_lazy",
        "_parameters",
        "_rests_for",
        "_rests_since",
        "_rng",
        "_scope",
        "_table",
        "_untaken_bytes",
        "batch",
        "budget",
        "flush_at",
        "lazy_at",
        "outbox",
        "surcharge",
        "withdrawn",
    )

    def __init__(
        self,
        table: RouteTable,
        holdings: Holdings,
        scope: Scope,
        parameters: RoutingParameters,
        rng: Random,
        counters: RoutingCounters,
        *,
        untaken_bytes: Callable[[bytes], int],
    ) -> None:
        self._table = table
        self._holdings = holdings
        self._scope = scope
        self._parameters = parameters
        self._rng = rng
        self._counters = counters
        self._untaken_bytes = untaken_bytes  # of what a neighbour was told
        self.batch = 0  # number of the newest one
        self._dirty: list[Destination] = []
        self._dumps = Dumps(table)
        self._lazy: dict[Destination, None] = {}
        self._rests_since = -inf  # when changes were told last
        self._rests_for = 0  # neighbours that were told, and still are to be spared
        self._free_frames = TokenBucket(parameters.free_frames_per_s, burst=parameters.free_frames, now=0.0)
        self.flush_at = inf
        self.lazy_at = inf
        # pays for the changes that are marked, while a neighbour's updates are applied
        self.budget: TokenBucket | None = None
        self.withdrawn: Destination | None = None  # our own row while it is advertised as lost
        self.surcharge = 0  # added to every metric that is advertised
        self.outbox: list[tuple[bytes, list[Item]]] = []

    def mark(self, row: Destination, *, now: float) -> None:
        """Queues a changed row for all neighbours; a lost route is urgent, unless a neighbour changes routes all the time."""
        if row.queued != DIRTY:
            if self.budget is not None and not self.budget.take(now=now):
                self._counters.changes_over_budget += 1
                self._put_off(row, now + self._parameters.over_budget_s)
                return
            row.queued = DIRTY
            self._dirty.append(row)
        if row.selected < 0:  # no route, or a new sequence of our own
            self.hurry(now=now)
        elif now + self._parameters.batch_s < self.flush_at:
            self.flush_at = now + self._parameters.batch_s

    def mark_lazy(self, row: Destination, *, now: float) -> None:
        """Queues a row of which only the sequence has changed."""
        if row.queued == SETTLED:
            if self.lazy_at == inf:
                self.lazy_at = now + self._rng.uniform(*self._parameters.lazy(is_cutting=self._scope.is_cutting))
            self._put_off(row, self.lazy_at)

    def _put_off(self, row: Destination, when: float) -> None:
        row.queued = LAZY
        self._lazy[row] = None
        self.lazy_at = min(self.lazy_at, when)

    def answer(self, row: Destination, neighbour: Neighbour, *, now: float) -> None:
        """Queues a row for one neighbour, even if that holds its current state."""
        row.current &= ~neighbour.bit
        neighbour.answers[row] = None
        self.hurry(now=now)

    def tell_newer(self, neighbour: Neighbour, node: bytes, announcement: Announcement, *, now: float) -> None:
        """Queues an announcement that is newer than the one a neighbour knows, so that it spreads towards its origin."""
        neighbour.newer[node] = announcement
        self.hurry(now=now)

    def hurry(self, *, now: float) -> None:
        """Makes everything queued leave with the next urgent batch."""
        self.flush_at = min(self.flush_at, now + self._parameters.urgent_batch_s)

    def withdraw(self, row: Destination, *, now: float) -> None:
        """Retracts a row that is about to be removed."""
        if row.holders:
            self._retract(row, row.holders, now=now)
            self.hurry(now=now)

    def dump(self, neighbour: Neighbour, *, now: float) -> None:
        """Queues the whole table for one neighbour."""
        neighbour.dump_due = True
        self.hurry(now=now)

    def take_up(self, neighbour: Neighbour, kept: dict[bytes, int], *, now: float) -> None:
        """Goes on with the table of a neighbour that has kept what it was told before its loss."""
        self.outbox.append((neighbour.address, [Resumed()]))
        neighbour.resumed = kept
        self.dump(neighbour, now=now)
        self.compare(neighbour, now=now)  # finds what has changed while rows were cleared after the loss

    def has_all(self, neighbour: Neighbour) -> bool:
        """Tells whether a neighbour has acknowledged all that it was told."""
        return not self._untaken_bytes(neighbour.address)

    def compare(self, neighbour: Neighbour, *, now: float) -> None:
        """Queues the digest of the table that the neighbour will hold after the batch."""
        neighbour.digest_due = True
        self.hurry(now=now)

    def handle_timeout(self, *, now: float) -> None:
        """Sends what is due."""
        if now >= self.lazy_at:
            self._lazy_is_due(now=now)
        if now >= self.flush_at:
            self.flush(now=now)

    def _lazy_is_due(self, *, now: float) -> None:
        self.lazy_at = inf
        for row in self._lazy:
            if row.queued == LAZY:
                row.queued = DIRTY
                self._dirty.append(row)
        self._lazy.clear()
        self.hurry(now=now)

    def flush(self, *, now: float) -> None:
        """Makes one batch for each neighbour with anything queued: retractions, then requests, then updates."""
        self.batch += 1
        self.flush_at = inf
        if self._dirty and now >= self._rest_ends():
            self._broadcast(self._next_dirty(), now=now)
            told = sum(1 for one in self._table.by_address.values() if one.retractions or one.updates)
            is_free = self._free_frames.take(told, now=now)
            self._rests_since, self._rests_for = now, 0 if self._dirty or is_free else told
        if self._dirty:
            self.flush_at = max(now + self._parameters.urgent_batch_s, self._rest_ends())
        waiting = self._dumps.waiting()
        room = self._dumps.room(len(waiting), self._untaken_bytes, now=now)
        for neighbour in waiting:
            room -= self._dump(neighbour, min(room, DUMP_ROWS_AT_ONCE), now=now)
        for neighbour in self._table.by_address.values():
            if neighbour.answers:
                self._answer(neighbour)
            if neighbour.newer:
                self._show_newer(neighbour)
            if neighbour.digest_due and not (neighbour.dump_due or neighbour.untold or self._dirty):
                self._append_digest(neighbour)
            if neighbour.retractions or neighbour.requests or neighbour.updates:
                self._post(neighbour)

    def _rest_ends(self) -> float:
        """Returns when changes are told again: a batch of them costs a frame for every neighbour that is told any."""
        is_urgent = any(row.selected < 0 for row in self._dirty)
        return self._rests_since + self._parameters.rest_s(self._rests_for, is_urgent=is_urgent)

    def _next_dirty(self) -> list[Destination]:
        """Takes as many rows off the queue as may be told in one go; those that go to few neighbours take little room."""
        neighbours, room, rows = max(len(self._table.by_address), 1), TOLD_AT_ONCE, 0
        if not self._scope.is_filtering:
            rows = max(room // neighbours, TOLD_ROWS_AT_ONCE)
        else:
            for row in self._dirty:
                is_for_all = self._scope.receivers(row) == EVERYBODY
                room -= neighbours if is_for_all else row.holders.bit_count() + 1
                if room < 0 and rows >= TOLD_ROWS_AT_ONCE:
                    break
                rows += 1
        taken, self._dirty = self._dirty[:rows], self._dirty[rows:]
        return taken

    def _post(self, neighbour: Neighbour) -> None:
        self._counters.retractions_sent += len(neighbour.retractions)
        self._counters.requests_sent += len(neighbour.requests)
        self._counters.updates_sent += len(neighbour.updates)
        items = neighbour.retractions + neighbour.requests + neighbour.updates
        self._holdings.post(neighbour, self.batch, has_all=self.has_all(neighbour))
        self.outbox.append((neighbour.address, items))
        neighbour.retractions = []
        neighbour.requests = []
        neighbour.updates = []

    def _broadcast(self, rows: list[Destination], *, now: float) -> None:
        # Consecutive rows mostly go to the same neighbours, each of which then gets a whole run of updates at once.
        table = self._table
        introductions, repeats = UpdateRun(table), UpdateRun(table)
        is_filtering = self._scope.is_filtering
        finite = INFINITY - self.surcharge
        for row in rows:
            row.queued, row.told_in = SETTLED, self.batch
            if row.metric >= finite or row is self.withdrawn:
                self._retract(row, row.holders, now=now)
                continue
            packed = self._advertise(row)
            next_hop = 1 << row.selected if row.selected >= 0 else 0
            wanting = table.up & ~next_hop & ~row.current
            if is_filtering and (receivers := self._scope.receivers(row)) != EVERYBODY:
                wanting &= receivers
                self._retract(row, row.holders & ~receivers & ~next_hop, now=now)
            if wanting:
                if packed < row.feasibility_distance:
                    row.feasibility_distance = packed
                news = wanting & ~row.announced
                if news:
                    news = row.uninformed(news)
                if news != introductions.receivers or wanting ^ news != repeats.receivers:
                    introductions.end(news)
                    repeats.end(wanting ^ news)
                if news:
                    introductions.updates.append(Update(row.node, packed, row.announcement_of(packed)))
                if news != wanting:
                    repeats.updates.append(Update(row.node, packed))
                self._holdings.hold(row, row.holders | wanting)
                row.current |= wanting
                row.announced |= wanting
            if row.holders & next_hop:
                self._retract(row, next_hop, now=now)
            elif not row.holders:
                table.note_unheld(row, now=now)
        introductions.end()
        repeats.end()

    def _is_kept_from(self, row: Destination, neighbour: Neighbour) -> bool:
        """Tells whether a row is not advertised to a neighbour."""
        if row.selected == neighbour.slot or row.metric + self.surcharge >= INFINITY or row is self.withdrawn:
            return True
        return self._scope.is_filtering and not self._scope.receivers(row) & neighbour.bit

    def _advertise(self, row: Destination) -> int:
        """Updates and returns the distance that the row advertises."""
        selected = row.selected
        # A route whose link has just become worse is advertised as it was until that is found out about the row.
        packed = row.floor if selected == OURSELVES else (row.routes[selected] | METRIC_MASK) - METRIC_MASK + row.metric
        packed += self.surcharge
        if packed != row.advertised:
            if packed ^ row.advertised > METRIC_MASK:
                row.announced = 0  # the announcement of the new sequence was sent to nobody yet
            self._holdings.advertise(row, packed)
            row.current = 0
        return packed

    def _retract(self, row: Destination, receivers: int, *, now: float) -> None:
        if receivers:
            retraction = Update(row.node, distance(row.sequence, INFINITY))
            for neighbour in self._table.neighbours_in(receivers):
                neighbour.retractions.append(retraction)
                neighbour.answers.pop(row, None)
            self._holdings.hold(row, row.holders & ~receivers)
            row.current &= ~receivers
        self._table.note_unheld(row, now=now)

    def _dump(self, neighbour: Neighbour, room: int, *, now: float) -> int:
        """Tells a neighbour the next of at most `room` rows, once it has taken those before; returns how much room they took.

        Rows that were added meanwhile have been told like any change.
        """
        if not room or self._untaken_bytes(neighbour.address) >= DUMP_BACKLOG_BYTES:
            self.flush_at = min(self.flush_at, now + self._parameters.batch_s)
            return 0
        if neighbour.dump_due:
            neighbour.dump_due = False
            neighbour.untold = list(reversed(self._table.rows.values()))
            room = room if now >= neighbour.offer_until else min(room, ROWS_BEFORE_OFFER)
        elif now < neighbour.offer_until:
            self.flush_at = min(self.flush_at, neighbour.offer_until)
            return 0
        portion, told = neighbour.untold[-room:], -len(neighbour.updates)
        del neighbour.untold[-room:]
        if neighbour.untold:
            self.hurry(now=now)
        for row in reversed(portion):
            if self._table.rows.get(row.node) is not row:
                continue
            if neighbour.resumed and (kept := neighbour.resumed.pop(row.node, None)) is not None:
                self._note_kept(row, neighbour, kept)
            if row.current & neighbour.bit:
                continue
            if row.holders & neighbour.bit or not self._is_kept_from(row, neighbour):
                self._tell(row, neighbour)
        if neighbour.resumed and not neighbour.untold:
            self._retract_gone(neighbour)
        self._dumps.told(neighbour, now=now)
        told += len(neighbour.updates)
        return told + (len(portion) - told) // 8  # what is passed over takes an eighth of the time

    def _retract_gone(self, neighbour: Neighbour) -> None:
        """Retracts nodes of which a neighbour has kept a route, and that are forgotten here."""
        gone, neighbour.resumed = neighbour.resumed, {}
        for node in gone:
            row = self._table.rows.get(node)
            if row is None or not row.holders & neighbour.bit:  # else it is known anew, and told
                neighbour.retractions.append(Update(node, distance(0, INFINITY)))

    def _note_kept(self, row: Destination, neighbour: Neighbour, packed: int) -> None:
        """Notes the route that a neighbour has kept since before its loss."""
        bit = neighbour.bit
        if row.holders & bit:
            return  # it has been told since it is back
        self._holdings.hold(row, row.holders | bit)
        row.feasibility_distance = min(row.feasibility_distance, packed)
        if packed | METRIC_MASK == row.advertised | METRIC_MASK:
            row.announced |= bit
        if packed == row.advertised and row.queued == SETTLED and not self._is_kept_from(row, neighbour):
            row.current |= bit

    def _answer(self, neighbour: Neighbour) -> None:
        answers, neighbour.answers = neighbour.answers, {}
        for row in answers:
            if not row.current & neighbour.bit:
                self._tell(row, neighbour)

    def _tell(self, row: Destination, neighbour: Neighbour) -> None:
        """Sends one neighbour the state of a row, whatever it holds."""
        row.told_in = self.batch
        bit = neighbour.bit
        if self._is_kept_from(row, neighbour):
            neighbour.retractions.append(Update(row.node, distance(row.sequence, INFINITY)))
            self._holdings.hold(row, row.holders & ~bit)
            row.current &= ~bit
            return
        packed = self._advertise(row)
        if packed < row.feasibility_distance:
            row.feasibility_distance = packed
        announcement = None if row.announced & bit else row.announcement_of(packed)
        neighbour.updates.append(Update(row.node, packed, announcement))
        self._holdings.hold(row, row.holders | bit)
        row.current |= bit
        row.announced |= bit

    def _show_newer(self, neighbour: Neighbour) -> None:
        newer, neighbour.newer = neighbour.newer, {}
        for node, announcement in newer.items():
            row = self._table.rows.get(node)
            if (
                row is not None
                and row.announced & neighbour.bit
                and sequence_of(row.advertised) >= announcement.sequence
            ):
                continue
            neighbour.retractions.append(Update(node, distance(announcement.sequence, INFINITY), announcement))
            if row is not None and row.holders & neighbour.bit:
                self._tell(row, neighbour)

    def _append_digest(self, neighbour: Neighbour) -> None:
        neighbour.digest_due = False
        for row in self._lazy:
            if row.queued == LAZY and row.holders & ~row.current & neighbour.bit:
                self._tell(row, neighbour)
        neighbour.updates.append(self._holdings.digest(neighbour))
        self._counters.digests_sent += 1
