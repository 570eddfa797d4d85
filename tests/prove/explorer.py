"""An exhaustive search of what can happen to a few nodes: every order of messages, cuts and restarts, up to a bound.

The nodes are our own routing engines. A state is the engines, the links and the messages under way; whatever can happen next
is tried in each, and states that are equal are looked at once. In each state trains are followed from everywhere to node 0,
along next hops and deflected; where nothing is under way the routes must become the shortest by themselves.

Only what is said of node 0 is passed on: the rows of a table do not concern each other, so each destination is such a case.

Time stands still meanwhile: batches leave at once, and nothing is sent again. So what is left out is what only time does:
retries, digests, damping, expiry. They have their turn where it is looked whether a state at rest converges.
"""

import copy
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import networkx
from msgspec.structs import replace

from mycelium.identity import blake2b
from mycelium.limits import WAYS_TRIED
from mycelium.routing.destination import Destination
from mycelium.routing.digest import digest_of, share_of
from mycelium.routing.engine import RoutingEngine
from mycelium.routing.neighbour import Neighbour
from mycelium.routing.requests import PendingRequest
from mycelium.wire.control import Item, Resume, Resumed, SeqnoRequest, Update
from mycelium.wire.distance import INFINITY
from sim.net.liar import falsify
from tests.routing.engines import QUICK, address, make_engine

NOW: Final = 1_000.0
AT_ONCE: Final = replace(QUICK, urgent_batch_s=0.0, batch_s=0.0, bump_spacing_s=0.0, jump_spacing_s=0.0)
SETTLED_S: Final = 40.0  # in which a state at rest must have the shortest routes: some slow retries and digests
DESTINATION: Final = address(0)
DEAR: Final = 50  # what a link costs whose cost is changed
MOST_VISITS: Final = 2  # of a train that may be deflected once, at one node

Edge = tuple[int, int]  # from, to


class Event(NamedTuple):
    """Something that can happen: what, where, and how much of which bound it takes."""

    what: str
    edge: Edge
    cost: int = 0


class HalfLink(NamedTuple):
    """One direction of a link: whether it is open, and the session that its sending end has, 0 for none."""

    is_open: bool
    session: int
    rising: int  # session that this end is about to have, 0 for none


class LoopFound(AssertionError):
    """A train comes to a node too often."""


def nothing_untaken(neighbour: bytes) -> int:
    """Says of each neighbour that it has got everything."""
    return 0


class State:
    """Engines, links and messages. Events make new states; the engines that they do not concern are shared."""

    __slots__ = ("bounds", "costs", "depth", "engines", "epochs", "liar", "links", "queues", "sessions", "trace")

    def __init__(self) -> None:
        self.engines: dict[int, RoutingEngine] = {}
        self.costs: dict[Edge, int] = {}  # of links, to the end that is named first
        self.epochs: dict[int, int] = {}
        self.liar: int | None = None  # claims a metric of 1, and drops what comes
        self.links: dict[Edge, HalfLink] = {}
        self.queues: dict[Edge, tuple[tuple[int, tuple[Item, ...]], ...]] = {}  # (session, batch), oldest first
        self.sessions = 0
        self.bounds: dict[str, int] = {}  # how often each thing may still happen
        self.depth = 0
        self.trace: tuple[Event, ...] = ()

    def copy(self) -> "State":
        """Returns a state that differs from this one by what is changed in it."""
        other = State()
        other.engines, other.epochs, other.links = dict(self.engines), dict(self.epochs), dict(self.links)
        other.queues, other.sessions, other.bounds = dict(self.queues), self.sessions, dict(self.bounds)
        other.liar, other.costs, other.depth, other.trace = self.liar, self.costs, self.depth, self.trace
        return other

    # -- what can happen -----------------------------------------------------------------------------------------------

    def events(self) -> Iterator[Event]:
        """Yields what can happen next."""
        for edge, queue in self.queues.items():
            if queue and self._can_arrive(edge):
                yield Event("deliver", edge)
        for edge, link in self.links.items():
            if link.rising:
                yield Event("rise", edge)
            if link.session and not self.carries(edge) and self.links[edge[::-1]].rising != link.session:
                yield Event("notice", edge)
        for what, left in self.bounds.items():
            if left:
                yield from self._bounded(what)

    def _bounded(self, what: str) -> Iterator[Event]:
        if what == "restart":
            yield from (Event(what, (node, node), 1) for node in self.engines)
            return
        for (one, other), link in self.links.items():
            is_whole = what in ("cut", "mend")
            if (is_whole and one < other and link.is_open == (what == "cut")) or (
                what in ("suspect", "cost", "avoid") and link.session
            ):
                yield Event(what, (one, other), 1)

    def _can_arrive(self, edge: Edge) -> bool:
        """Tells whether the first message of a queue has reached the far end, or will never be taken there."""
        far = self.links[edge[::-1]]
        session = self.queues[edge][0][0]
        return self.links[edge].is_open and (far.session == session or far.session > session or not far.rising)

    def carries(self, edge: Edge) -> bool:
        """Tells whether the far end of a link takes what is sent to it."""
        here, there = self.links[edge], self.links[edge[::-1]]
        return here.is_open and here.session == there.session != 0

    def is_at_rest(self) -> bool:
        """Tells whether nothing is under way and no end is about to notice anything."""
        return not any(event.cost == 0 for event in self.events())

    # -- what happens --------------------------------------------------------------------------------------------------

    def after(self, event: Event) -> "State":
        """Returns the state after an event."""
        state = self.copy()
        state.depth += 1
        state.trace = (*self.trace, event)
        if event.cost:
            state.bounds[event.what] -= 1
        getattr(state, f"_{event.what}")(*event.edge)
        return state

    def _deliver(self, one: int, other: int) -> None:
        (session, items), *rest = self.queues[one, other]
        self.queues[one, other] = tuple(rest)
        if self.links[other, one].session == session:
            self._own(other).receive(address(one), items, now=NOW)
        self._flush(other)

    def _rise(self, one: int, other: int) -> None:
        link = self.links[one, other]
        self.links[one, other] = link._replace(session=link.rising, rising=0)
        self.queues[one, other] = ()
        self._own(one).neighbour_up(address(other), self.costs[one, other], now=NOW)
        self._flush(one)

    def _notice(self, one: int, other: int) -> None:
        self.links[one, other] = self.links[one, other]._replace(session=0)
        self.queues[one, other] = ()
        self._own(one).neighbour_down(address(other), now=NOW)
        self._flush(one)

    def _cut(self, one: int, other: int) -> None:
        for edge in ((one, other), (other, one)):
            self.links[edge] = self.links[edge]._replace(is_open=False, rising=0)
            self.queues[edge] = ()

    def _mend(self, one: int, other: int) -> None:
        self.sessions += 1
        for edge in ((one, other), (other, one)):
            self.links[edge] = self.links[edge]._replace(is_open=True, rising=self.sessions)

    def _restart(self, node: int, _: int) -> None:
        self.epochs[node] += 1
        self.engines[node] = make_engine(node, epoch=self.epochs[node], now=NOW, parameters=AT_ONCE)
        for edge in [edge for edge in self.links if node in edge]:
            self.queues[edge] = ()
            if edge[0] == node:
                self.links[edge] = self.links[edge]._replace(session=0)
            if edge[0] < edge[1] and self.links[edge].is_open:
                self._mend(*edge)
        self._flush(node)

    def _suspect(self, one: int, other: int) -> None:
        engine = self._own(one)
        is_suspected = engine.link_costs()[address(other)] == INFINITY
        engine.neighbour_suspect(address(other), not is_suspected, now=NOW)
        self._flush(one)

    def _cost(self, one: int, other: int) -> None:
        engine = self._own(one)
        cost = engine._table.by_address[address(other)].link_cost
        engine.neighbour_cost(address(other), DEAR if cost != DEAR else self.costs[one, other], now=NOW)
        self._flush(one)

    def _avoid(self, one: int, other: int) -> None:
        engine = self._own(one)
        row, peer = engine._table.rows.get(DESTINATION), engine._table.by_address[address(other)]
        if row is not None:
            engine.avoid(DESTINATION, peer.address, not row.avoided & peer.bit, now=NOW)
        self._flush(one)

    def _own(self, node: int) -> RoutingEngine:
        """Returns an engine that this state may change."""
        known = self.engines[node]
        memo: dict[int, Any] = {}
        for row in known._table.rows.values():
            for announcement in (row.announcement, *row.older):
                memo[id(announcement)] = announcement
        engine = self.engines[node] = copy.deepcopy(known, memo)
        engine._advertiser._untaken_bytes = partial(self._untaken, node)
        return engine

    def _untaken(self, node: int, neighbour: bytes) -> int:
        """Returns how many messages to a neighbour it may not have got."""
        edge = node, int.from_bytes(neighbour[2:8], "big")
        return len(self.queues[edge]) + (not self.carries(edge))

    def _flush(self, node: int, *, now: float = NOW) -> None:
        engine = self.engines[node]
        while engine.next_deadline() <= now:
            engine.handle_timeout(now=now)
        for to, items in engine.outbox:
            edge = node, int.from_bytes(to[2:8], "big")
            about = [one for item in items if (one := self._about_destination(engine, to, item)) is not None]
            told = falsify("attract", [*about], address(node)) if node == self.liar else about
            if told:
                self.queues[edge] += ((self.links[edge].session, tuple(told)),)
        engine.outbox.clear()
        engine.changes.clear()
        engine._advertiser._untaken_bytes = nothing_untaken  # this state goes

    def _about_destination(self, engine: RoutingEngine, to: bytes, item: Item) -> Item | None:
        """Returns what an item says of node 0, None for nothing."""
        if isinstance(item, Resume):
            # Routes to neighbours themselves are told, and left out here: it would have kept that of the other end too.
            received = dict(engine._adjacencies._resumption._kept[to].received)
            far = self.engines[int.from_bytes(to[2:8], "big")]
            kept = far._adjacencies._resumption._kept.get(engine.node)
            if kept is not None and to in kept.told:
                received[to] = far._table.own.advertised
            return Resume(digest_of(sum(share_of(node, packed) for node, packed in received.items())))
        is_about = isinstance(item, Resumed) or (isinstance(item, Update | SeqnoRequest) and item.node == DESTINATION)
        return item if is_about else None

    # -- what must hold ------------------------------------------------------------------------------------------------

    def check_trains(self) -> None:
        """Follows trains from everywhere to node 0; raises LoopFound."""
        for source, engine in self.engines.items():
            self._follow(source)
            for way in engine.forwarding.ways(DESTINATION, WAYS_TRIED):
                self._follow(source, over=way)

    def _follow(self, source: int, over: bytes | None = None) -> None:
        """Follows one train, first over a given neighbour, as a deflected one, or along its route."""
        node, came_from, is_deflected = source, source, over is not None
        visited = [source]
        while node not in (0, self.liar):
            forwarding = self.engines[node].forwarding
            hop, over = over or forwarding.next_hop.get(DESTINATION), None
            if hop is None and not is_deflected:
                hop, is_deflected = forwarding.alternate(DESTINATION, address(came_from)), True
            if hop is None or not self.carries((node, following := int.from_bytes(hop[2:8], "big"))):
                return
            came_from, node = node, following
            visited.append(node)
            if visited.count(node) > (MOST_VISITS if is_deflected else 1):
                raise LoopFound(f"from {source}: {visited}, after {self.trace}")

    def check_convergence(self) -> None:
        """Lets time pass in a state at rest, in which all routes must become the shortest there are."""
        state = self.copy()
        for node in state.engines:
            engine = state._own(node)
            for neighbour in [one.address for one in engine._table.by_address.values() if one.suspected]:
                engine.neighbour_suspect(neighbour, False, now=NOW)
            for neighbour in engine.link_costs():
                engine.avoid(DESTINATION, neighbour, False, now=NOW)
        now = NOW
        while now < NOW + SETTLED_S:
            state._settle_at(now)
            now = min(min(engine.next_deadline() for engine in state.engines.values()), NOW + SETTLED_S)
        state._check_shortest(self.trace)

    def _settle_at(self, now: float) -> None:
        for node in self.engines:
            self._flush(node, now=now)
        while waiting := [edge for edge, queue in self.queues.items() if queue]:
            for one, other in waiting:
                (session, items), *rest = self.queues[one, other]
                self.queues[one, other] = tuple(rest)
                if self.links[other, one].session == session:
                    self.engines[other].receive(address(one), items, now=now)
                    self._flush(other, now=now)

    def _check_shortest(self, trace: tuple[Event, ...]) -> None:
        graph: networkx.DiGraph[int] = networkx.DiGraph()
        graph.add_nodes_from(self.engines)
        for one, other in self.links:
            if self.carries((one, other)):
                cost = self.engines[one].link_costs()[address(other)]
                graph.add_edge(one, other, weight=cost)
        for source, engine in self.engines.items():
            shortest = networkx.single_source_dijkstra_path_length(graph, source)
            found, right = engine.metric(DESTINATION), shortest.get(0, INFINITY)
            assert found == right, f"node {source} has the metric {found}, not {right}, after {trace}"

    def fingerprint(self) -> bytes:
        """Returns a hash that equal states share: of all that decides what can happen, without times and counters."""
        engines = [_of_engine(self.engines[node], partial(self._untaken, node)) for node in sorted(self.engines)]
        queues = [
            (edge, [(session, [_of_item(item) for item in items]) for session, items in queue])
            for edge, queue in sorted(self.queues.items())
        ]
        rest = sorted(self.links.items()), sorted(self.bounds.items()), self.epochs
        return blake2b(repr((engines, queues, rest)).encode(), size=16)


def _of_item(item: Item) -> tuple[object, ...]:
    if isinstance(item, Update):
        return item.node, item.distance, item.announcement is not None and item.announcement.sequence
    return type(item).__name__, repr(item)


def _of_engine(engine: RoutingEngine, untaken: Callable[[bytes], int]) -> tuple[object, ...]:
    table = engine._table
    names = {one.slot: one.address for one in table.by_address.values()}

    def named(bits: int) -> list[bytes]:
        return sorted(name for slot, name in names.items() if bits >> slot & 1)

    def of_row(row: Destination) -> tuple[object, ...]:
        routes = sorted((name, row.routes[slot]) for slot, name in names.items())
        known = row.sequence, sorted(one.sequence for one in row.older)
        told = row.advertised, named(row.holders), named(row.current), named(row.announced), named(row.avoided)
        selected = names.get(row.selected, row.selected)
        return row.node, known, routes, row.feasibility_distance, selected, row.metric, told, row.queued

    def unsure(neighbour: Neighbour) -> tuple[object, ...]:
        row = table.rows.get(DESTINATION)
        is_unsure = row is not None and row.told_in > neighbour.sure_in
        return (neighbour.sums, is_unsure) if untaken(neighbour.address) else ()

    def of_request(node: bytes, one: PendingRequest) -> tuple[object, ...]:
        askers = sorted((names[slot], wanted) for slot, wanted in one.askers.items())
        return node, one.sequence, askers, one.is_ours, named(one.asked), one.tries

    rows = [of_row(row) for row in table.rows.values() if row.node == DESTINATION]
    neighbours = sorted(
        (one.address, one.link_cost, one.suspected, one.distrusted, repr((one.resumed, unsure(one))))
        for one in table.by_address.values()
    )
    requests = sorted(of_request(*one) for one in engine._requests.pending.items())
    dying = sorted(row.node for row in table.dying)
    resumption = engine._adjacencies._resumption
    kept = sorted(
        (name, one.received.get(DESTINATION), repr((one.told, one.digests)), one.offer is None)
        for name, one in resumption._kept.items()
    )
    return engine.sequence if engine.node == DESTINATION else 0, rows, neighbours, requests, dying, kept


class Found(NamedTuple):
    """What a search has covered."""

    states: int
    transitions: int
    depth: int  # of the deepest state
    at_rest: int
    is_complete: bool  # there is nothing more within the bounds


def begin(links: dict[Edge, int], bounds: dict[str, int], *, liar: int | None = None) -> State:
    """Returns the state of nodes whose links, given with their costs, are up, and which have heard all there is to hear."""
    state = State()
    state.liar = liar
    costs = state.costs = {edge: cost for (one, other), cost in links.items() for edge in ((one, other), (other, one))}
    for node in sorted({node for edge in costs for node in edge}):
        state.epochs[node] = 1
        state.engines[node] = make_engine(node, now=NOW, parameters=AT_ONCE)
    for edge in costs:
        state.links[edge], state.queues[edge] = HalfLink(False, 0, 0), ()
    for one, other in costs:
        if one < other:
            state._mend(one, other)
    while not state.is_at_rest():
        state = state.after(next(state.events()))
    state.bounds, state.depth, state.trace = dict(bounds), 0, ()
    return state


def explore(first: State, *, most: int) -> Found:
    """Looks at all states that can come of one, breadth first, or at so many; raises AssertionError with what led there."""
    with patch(
        "mycelium.routing.advertise.ROWS_BEFORE_OFFER", 1
    ):  # else so small a table is told before anybody resumes
        return _explore(first, most=most)


def _explore(first: State, *, most: int) -> Found:
    seen = {first.fingerprint()}
    waiting = deque([first])
    transitions = at_rest = depth = 0
    while waiting:
        state = waiting.popleft()
        depth = max(depth, state.depth)
        if state.is_at_rest():
            at_rest += 1
            if state.liar is None:
                state.check_convergence()
        for event in state.events():
            following = state.after(event)
            transitions += 1
            mark = following.fingerprint()
            if mark not in seen:
                following.check_trains()
                seen.add(mark)
                waiting.append(following)
        if len(seen) >= most:
            return Found(len(seen), transitions, depth, at_rest, is_complete=False)
    return Found(len(seen), transitions, depth, at_rest, is_complete=True)
