"""Sequence-number requests (RFC 8966 sections 3.8.1.2 and 3.8.2): they ask an origin for a newer sequence, hop by hop.

They end starvation: a node whose routes are all unfeasible, or whose best route is, requests the sequence after its
feasibility distance. A neighbour's request is forwarded to exactly one neighbour, along the selected route if there is one,
because the answer returns along selected routes only.
"""

import heapq
from math import inf
from typing import Final

from mycelium.limits import PENDING_REQUESTS, REQUEST_HOPS
from mycelium.routing.advertise import Advertiser
from mycelium.routing.counters import RoutingCounters
from mycelium.routing.destination import Destination
from mycelium.routing.metric import COST_UNIT_S
from mycelium.routing.neighbour import Neighbour
from mycelium.routing.parameters import RoutingParameters
from mycelium.routing.scope import Scope
from mycelium.routing.table import RouteTable
from mycelium.timing import Backoff
from mycelium.wire.announcement import SEQUENCE_LIMIT
from mycelium.wire.control import SeqnoRequest
from mycelium.wire.distance import INFINITY, NO_SOURCE, RETRACTED, metric_of, sequence_of

RETRY_FACTOR: Final = 2.0


class PendingRequest:
    """A request about one node that has no answer yet."""

    __slots__ = ("asked", "askers", "backoff", "deadline", "is_ours", "sequence", "suppressed_until", "tries")

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence  # the newest one requested
        self.askers: dict[int, int] = {}  # sequence wanted, by the slot of the neighbour that asked
        self.is_ours = False
        self.asked = 0  # bits of the neighbours that our own request went to
        self.tries = 0
        self.backoff = Backoff(0.0, factor=RETRY_FACTOR)
        self.suppressed_until = 0.0  # until then, the same request of another neighbour is not forwarded
        self.deadline = inf


class Requests:
    """All pending requests: our own, and those forwarded for neighbours."""

    __slots__ = ("_advertiser", "_counters", "_heap", "_parameters", "_scope", "_table", "pending")

    def __init__(
        self,
        table: RouteTable,
        scope: Scope,
        advertiser: Advertiser,
        parameters: RoutingParameters,
        counters: RoutingCounters,
    ) -> None:
        self._table = table
        self._scope = scope
        self._advertiser = advertiser
        self._parameters = parameters
        self._counters = counters
        self._heap: list[tuple[float, bytes]] = []
        self.pending: dict[bytes, PendingRequest] = {}

    def next_deadline(self) -> float:
        """Returns when the next retry is due."""
        return self._heap[0][0] if self._heap else inf

    def ask(self, row: Destination, *, now: float) -> None:
        """Requests a newer sequence if an unfeasible route would be better than the selected one, or no route is selected."""
        target = self._better_unfeasible(row, 0)
        if target is None or not self._is_wanted(row, target):
            return
        wanted = min(sequence_of(row.feasibility_distance) + 1, SEQUENCE_LIMIT - 1)
        request = self._pending(row.node, wanted)
        waits = self._waits_for_suspected(row)
        if request is None or self._is_on_its_way(request, wanted, target, waits):
            return
        request.sequence = max(request.sequence, wanted)
        request.is_ours = True
        request.tries = 0
        request.asked = 0
        request.backoff = Backoff(self._retry_s(row, target), factor=RETRY_FACTOR)
        if waits:
            self._arm(row.node, request, now + request.backoff.next())
        else:
            self._send_ours(row, request, target, now=now)

    def _is_wanted(self, row: Destination, target: Neighbour) -> bool:
        """Tells whether a row would be in scope with the route of a neighbour."""
        if not self._scope.is_cutting:
            return True
        metric = metric_of(row.routes[target.slot]) + self._table.costs[target.slot]
        return self._scope.would_hold(row, metric, target.slot)

    def relay(self, asker: Neighbour, row: Destination, request: SeqnoRequest, *, now: float) -> None:
        """Forwards a neighbour's request to one other neighbour and remembers who asked."""
        target = self._next_for(row, asker)
        if target is None or request.hops < 2:
            self._counters.requests_dropped += 1
            return
        entry = self._pending(row.node, request.sequence)
        if entry is None:
            return
        entry.askers[asker.slot] = request.sequence
        if request.sequence <= entry.sequence and now < entry.suppressed_until:
            return
        entry.sequence = max(entry.sequence, request.sequence)
        # This is shorter than the asker's own retry interval, so that its retries are forwarded.
        entry.suppressed_until = now + self._retry_s(row, target) / 2
        if not entry.is_ours:
            self._arm(row.node, entry, now + self._parameters.relayed_request_s)
        target.requests.append(SeqnoRequest(row.node, request.sequence, request.hops - 1))
        self._advertiser.hurry(now=now)

    def satisfy(self, row: Destination, *, now: float) -> None:
        """Answers the neighbours that asked for the sequence of the selected route, or for an older one."""
        entry = self.pending[row.node]
        sequence = row.sequence if row.selected < 0 else sequence_of(row.routes[row.selected])
        for slot in [slot for slot, wanted in entry.askers.items() if wanted <= sequence]:
            del entry.askers[slot]
            self._advertiser.answer(row, self._table.neighbour_at(slot), now=now)
        if sequence >= entry.sequence or not (entry.askers or entry.is_ours):
            del self.pending[row.node]
            if entry.is_ours:
                self.ask(row, now=now)  # a better route may still need a newer sequence

    def forget_neighbour(self, neighbour: Neighbour) -> None:
        """Drops the requests of a neighbour that is down."""
        for entry in self.pending.values():
            entry.askers.pop(neighbour.slot, None)
            entry.asked &= ~neighbour.bit

    def handle_timeout(self, *, now: float) -> None:
        """Retries our unanswered requests, each time with another neighbour, and forgets those of neighbours."""
        while self._heap and self._heap[0][0] <= now:
            deadline, node = heapq.heappop(self._heap)
            entry = self.pending.get(node)
            if entry is None or entry.deadline != deadline:
                continue
            row = self._table.rows.get(node)
            if row is None or not entry.is_ours or not self._retry(row, entry, now=now):
                del self.pending[node]

    def _is_on_its_way(self, request: PendingRequest, wanted: int, target: Neighbour, waits: bool) -> bool:
        if not request.is_ours or request.sequence < wanted:
            return False
        if not request.tries:
            return waits
        return request.tries < self._parameters.request_tries or bool(request.asked & target.bit)

    def _retry(self, row: Destination, entry: PendingRequest, *, now: float) -> bool:
        target = self._better_unfeasible(row, entry.asked)
        if target is None:
            entry.asked = 0
            target = self._better_unfeasible(row, 0)
        if target is None:
            return False
        entry.sequence = min(sequence_of(row.feasibility_distance) + 1, SEQUENCE_LIMIT - 1)
        self._send_ours(row, entry, target, now=now)
        return True

    def _send_ours(self, row: Destination, entry: PendingRequest, target: Neighbour, *, now: float) -> None:
        entry.tries += 1
        entry.asked |= target.bit
        is_hopeful = entry.tries < self._parameters.request_tries
        self._arm(row.node, entry, now + (entry.backoff.next() if is_hopeful else self._parameters.request_slow_s))
        target.requests.append(SeqnoRequest(row.node, entry.sequence, REQUEST_HOPS))
        self._advertiser.hurry(now=now)

    def _arm(self, node: bytes, entry: PendingRequest, deadline: float) -> None:
        entry.deadline = deadline
        heapq.heappush(self._heap, (deadline, node))

    def _pending(self, node: bytes, sequence: int) -> PendingRequest | None:
        entry = self.pending.get(node)
        if entry is None:
            if len(self.pending) >= PENDING_REQUESTS:
                self._counters.requests_dropped += 1
                return None
            entry = self.pending[node] = PendingRequest(sequence)
        return entry

    def _retry_s(self, row: Destination, target: Neighbour) -> float:
        route = row.routes[target.slot]
        path_s = (metric_of(route) + target.link_cost) * COST_UNIT_S if route < RETRACTED else 0.0
        return max(self._parameters.retry_floor_s, 2 * path_s)

    def _better_unfeasible(self, row: Destination, passed_over: int) -> Neighbour | None:
        """Returns the neighbour with the best unfeasible route, if that is better than the selected route, or is that route."""
        best, best_slot = row.metric, -1
        if row.feasibility_distance == NO_SOURCE:
            return None
        if row.selected >= 0 and row.routes[row.selected] >= row.feasibility_distance:
            best += 1
        for slot, (route, cost) in enumerate(zip(row.routes, self._table.costs, strict=True)):
            if row.feasibility_distance <= route < RETRACTED and not passed_over >> slot & 1:
                metric = metric_of(route) + (self._table.cost_to(row, slot) if row.avoided else cost)
                if metric < best:
                    best, best_slot = metric, slot
        return None if best_slot < 0 else self._table.neighbour_at(best_slot)

    def _waits_for_suspected(self, row: Destination) -> bool:
        """Tells whether a route is unusable only because its neighbour is suspected, which may end before an answer arrives."""
        if row.metric != INFINITY or not self._table.suspected:
            return False
        return any(
            route < row.feasibility_distance and self._table.suspected >> slot & 1
            for slot, route in enumerate(row.routes)
        )

    def _next_for(self, row: Destination, asker: Neighbour) -> Neighbour | None:
        """Chooses where to forward a request: the selected next hop, else the best feasible, else the best unfeasible route."""
        if row.selected >= 0 and row.selected != asker.slot and self._table.costs[row.selected] < INFINITY:
            return self._table.neighbour_at(row.selected)
        best: tuple[bool, int, int] | None = None
        for slot, (route, cost) in enumerate(zip(row.routes, self._table.costs, strict=True)):
            if route < RETRACTED and slot != asker.slot and metric_of(route) + cost < INFINITY:
                candidate = (route >= row.feasibility_distance, metric_of(route) + cost, slot)
                if best is None or candidate < best:
                    best = candidate
        return None if best is None else self._table.neighbour_at(best[2])
