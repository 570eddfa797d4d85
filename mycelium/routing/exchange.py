"""Control items other than updates: requests for routes and sequences, and digests that compare tables."""

from mycelium.routing.advertise import Advertiser
from mycelium.routing.announcements import AnnouncementChecker
from mycelium.routing.counters import RoutingCounters
from mycelium.routing.digest import digest_of, share_of
from mycelium.routing.excess import DIGESTS
from mycelium.routing.neighbour import Neighbour
from mycelium.routing.origin import Origin
from mycelium.routing.requests import Requests
from mycelium.routing.scope import Scope
from mycelium.routing.selection import Selection
from mycelium.routing.table import RouteTable
from mycelium.wire.announcement import EPOCH_SHIFT
from mycelium.wire.control import ANY_NODE, Digest, Item, Pin, RouteRequest, SeqnoRequest, Update
from mycelium.wire.distance import INFINITY, RETRACTED, distance, sequence_of
from mycelium.wire.home_record import HomeRecord


class Exchange:
    """Answers neighbours' requests and compares digests."""

    __slots__ = ("_advertiser", "_checker", "_counters", "_origin", "_requests", "_scope", "_selection", "_table")

    def __init__(
        self,
        *,
        table: RouteTable,
        scope: Scope,
        checker: AnnouncementChecker,
        selection: Selection,
        requests: Requests,
        advertiser: Advertiser,
        origin: Origin,
        counters: RoutingCounters,
    ) -> None:
        self._table = table
        self._scope = scope
        self._checker = checker
        self._selection = selection
        self._requests = requests
        self._advertiser = advertiser
        self._origin = origin
        self._counters = counters

    def handle(self, neighbour: Neighbour, item: Item, *, now: float) -> None:
        """Handles one item that is not an update."""
        match item:
            case Digest():
                if neighbour.budgets.digests.take(now=now):
                    self._compare(neighbour, item, now=now)
                else:
                    self._counters.digests_dropped += 1
                    self._checker.excesses.note(neighbour.node, DIGESTS, now=now)
            case SeqnoRequest():
                self._counters.requests_received += 1
                if neighbour.budgets.requests.take(now=now):
                    self._sequence_wanted(neighbour, item, now=now)
                else:
                    self._counters.requests_dropped += 1
            case RouteRequest():
                self._counters.requests_received += 1
                if neighbour.budgets.requests.take(now=now):
                    self._route_wanted(neighbour, item.node, now=now)
                else:
                    self._counters.requests_dropped += 1
            case Pin():
                self._take_pin(neighbour, item, now=now)

    def _take_pin(self, neighbour: Neighbour, pin: Pin, *, now: float) -> None:
        pins = self._scope.pins
        if not pin.is_pinned:
            if pins.taken_back(pin.node, pin.home, neighbour, self._table):
                self._selection.news.append(self._table.own)  # another home is to be chosen
        elif not self._scope.is_limited or not pins.pin(pin.node, pin.home, neighbour.bit):
            self._counters.pins_refused += 1
            neighbour.requests.append(Pin(pin.node, pin.home, False))
            self._advertiser.hurry(now=now)
            return
        elif pin.record is not None:
            self._take_record(neighbour, pin.node, pin.record, now=now)
        self._selection.review_pinned(pin.node, now=now)
        self._advertiser.hurry(now=now)

    def _take_record(self, neighbour: Neighbour, node: bytes, record: HomeRecord, *, now: float) -> None:
        """Keeps a newer home record of a node that is pinned here; what its node has not signed is passed on to nobody."""
        pins = self._scope.pins
        if record.is_newer_than(pins.records.get(node)) and self._checker.is_valid(record, node, neighbour, now=now):
            pins.learn(node, record)

    def _sequence_wanted(self, neighbour: Neighbour, request: SeqnoRequest, *, now: float) -> None:
        row = self._table.rows.get(request.node)
        if row is None:
            self._counters.requests_dropped += 1
        elif row is self._table.own:
            if request.sequence > row.sequence:
                self._origin.want_newer(now=now)
            self._advertiser.answer(row, neighbour, now=now)
        elif row.selected >= 0 and sequence_of(row.routes[row.selected]) >= request.sequence:
            self._advertiser.answer(row, neighbour, now=now)
        else:
            if request.sequence >> EPOCH_SHIFT < row.sequence >> EPOCH_SHIFT:
                self._advertiser.tell_newer(neighbour, row.node, row.announcement, now=now)
            self._requests.relay(neighbour, row, request, now=now)

    def _route_wanted(self, neighbour: Neighbour, node: bytes, *, now: float) -> None:
        if node == ANY_NODE:
            self._table_wanted(neighbour, now=now)
            return
        row = self._table.rows.get(node)
        if row is None:
            neighbour.retractions.append(Update(node, distance(0, INFINITY)))
            self._advertiser.hurry(now=now)
        else:
            row.announced &= ~neighbour.bit
            self._advertiser.answer(row, neighbour, now=now)

    def _table_wanted(self, neighbour: Neighbour, *, now: float) -> None:
        if not neighbour.budgets.dumps.take(now=now):
            self._counters.requests_dropped += 1
            return
        others = ~neighbour.bit
        for row in self._table.rows.values():
            row.current &= others
            row.announced &= others
        self._scope.pins.tell_again(neighbour, self._table)
        self._advertiser.dump(neighbour, now=now)
        self._advertiser.compare(neighbour, now=now)

    def ask_for_table(self, neighbour: Neighbour, *, now: float) -> None:
        """Requests everything that a neighbour advertises; its answer ends with a digest."""
        neighbour.heard = set()
        neighbour.requests.append(RouteRequest(ANY_NODE))
        self._advertiser.hurry(now=now)

    def _compare(self, neighbour: Neighbour, digest: Digest, *, now: float) -> None:
        """Compares a digest with what the neighbour has advertised, and resolves a difference.

        If the routes of its last dump match the digest, the neighbour no longer advertises any others: those are retracted.
        Otherwise its whole table is requested.
        """
        if digest_of(self._table.received_from(neighbour)) == digest:
            neighbour.heard = None
            neighbour.resync.reset()
            return
        self._counters.digests_differing += 1
        slot, heard = neighbour.slot, neighbour.heard
        if heard is not None:
            finite = [row for row in self._table.rows.values() if row.routes[slot] < RETRACTED]
            told = sum(share_of(row.node, row.routes[slot]) for row in finite if row.node in heard)
            if digest_of(told) == digest:
                for row in finite:
                    if row.node not in heard:
                        self._selection.retract(row, slot, now=now)
                neighbour.heard = None
                return
        if now >= neighbour.resync_at:
            neighbour.resync_at = now + neighbour.resync.next()
            self.ask_for_table(neighbour, now=now)
