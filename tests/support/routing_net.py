"""A small network of routing engines in memory: virtual time, reliable links in order, everything drawn from a seed.

After each event it checks the invariants that hold at any instant (no loop among them); `settle` runs until the network is
quiet and checks that it has found exactly the shortest paths.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import networkx

from mycelium.identity import blake2b
from mycelium.routing.destination import OURSELVES, Destination
from mycelium.routing.engine import RoutingEngine
from mycelium.routing.parameters import RoutingParameters
from mycelium.wire.announcement import Announcement, signed_bytes
from mycelium.wire.control import Digest, Item
from mycelium.wire.distance import INFINITY, NO_SOURCE, RETRACTED, metric_of

QUICK = RoutingParameters(
    lazy_s=(1.0, 2.0), digest_s=5.0, damping_unit_s=0.1, damping_ceiling_s=0.5, request_slow_s=5.0, resync_floor_s=1.0
)
NETWORK_ID = b"testnet\x00"
DETECTION_S = (0.02, 0.3)
DELAY_S = (0.0005, 0.02)


def address(name: int) -> bytes:
    """Returns the address of node `name`; its key is the address and 16 zero bytes."""
    return bytes((4, 0)) + name.to_bytes(6, "big") + bytes(7) + b"\x01"


def key_of(name: int) -> bytes:
    """Returns the signing key of node `name`."""
    return address(name) + bytes(16)


def announcement(name: int, sequence: int, network_id: bytes = NETWORK_ID) -> Announcement:
    """Returns what node `name` signs, with a hash in place of the signature."""
    unsigned = Announcement(key_of(name), sequence, network_id)
    signature = blake2b(signed_bytes(unsigned), size=64)
    return Announcement(unsigned.signing_public_key, sequence, network_id, signature=signature)


def verify(signed: Announcement) -> bool:
    """Checks such a hash."""
    return signed.signature == blake2b(signed_bytes(signed), size=64)


def make_engine(
    name: int, *, epoch: int = 1, now: float = 0.0, seed: int = 0, parameters: RoutingParameters = QUICK
) -> RoutingEngine:
    """Returns the engine of node `name` with cheap signatures."""
    return RoutingEngine(
        node=address(name),
        announce=lambda sequence: announcement(name, sequence),
        verify=verify,
        address_of=lambda key: key[:16],
        epoch=epoch,
        rng=random.Random(seed),
        now=now,
        network_id=NETWORK_ID,
        parameters=parameters,
    )


@dataclass
class Session:
    """One life of a link between two nodes."""

    costs: dict[int, int]  # what each end takes the link to cost
    is_cut: bool = False
    has_restarted_end: bool = False
    arrivals: dict[int, float] = field(default_factory=dict)  # by sender: when its newest items arrive


class RoutingNetwork:
    """Engines 0, 1, 2 ... and the sessions between them."""

    def __init__(self, names: Iterable[int], *, seed: int = 0, parameters: RoutingParameters = QUICK) -> None:
        self.rng = random.Random(seed)
        self.parameters = parameters
        self.now = 0.0
        self.engines: dict[int, RoutingEngine] = {}
        self.links: dict[tuple[int, int], Session] = {}  # (lower, higher)
        self.views: dict[tuple[int, int], Session] = {}  # (node, neighbour): the session that node uses
        self.suspicions: dict[tuple[int, int], None] = {}
        self.sent: list[tuple[int, int, list[Item]]] = []  # what has been sent since someone last cleared it
        self.loops_checked = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._feasibility: dict[int, dict[Destination, int]] = {}
        for name in names:
            self._start(name, epoch=1)

    # What happens to the network.

    def connect(self, one: int, other: int, cost: int, back: int | None = None) -> None:
        """Brings a link up, in place of one that is there; `back` is what it costs the other end, where that differs."""
        low, high = sorted((one, other))
        self.cut(low, high)
        session = Session({one: cost, other: cost if back is None else back})
        self.links[low, high] = session
        first, second = self.rng.sample((one, other), 2)
        self._up(first, second, session)
        self._deliver(first, session, lambda: self._up(second, first, session))

    def cut(self, one: int, other: int) -> None:
        """Silently cuts a link: what is under way is lost, and each end notices a while later."""
        session = self.links.pop((min(one, other), max(one, other)), None)
        if session is None:
            return
        session.is_cut = True
        for ends in ((one, other), (other, one)):
            self._after(self.rng.uniform(*DETECTION_S), partial(self._down, *ends, session))

    def set_cost(self, node: int, neighbour: int, cost: int) -> None:
        """Changes what a link costs to one of its ends."""
        session = self.links[min(node, neighbour), max(node, neighbour)]
        session.costs[node] = cost
        if self.views.get((node, neighbour)) is session:
            self.engines[node].neighbour_cost(address(neighbour), cost, now=self.now)
            self._after_event(node)

    def suspect(self, node: int, neighbour: int, suspected: bool) -> None:
        """Has a node suspect one of its neighbours, or trust it again."""
        if (node, neighbour) not in self.views:
            return
        if suspected:
            self.suspicions[node, neighbour] = None
        else:
            self.suspicions.pop((node, neighbour), None)
        self.engines[node].neighbour_suspect(address(neighbour), suspected, now=self.now)
        self._after_event(node)

    def restart(self, node: int, *, epoch: int) -> None:
        """Restarts a node with all its memory lost; its links come up again a little later."""
        lost = [(pair, session) for pair, session in self.links.items() if node in pair]
        for (low, high), session in lost:
            neighbour = low if node == high else high
            costs = session.costs
            self.cut(low, high)
            self._after(self.rng.uniform(0.01, 0.5), partial(self._reconnect, node, neighbour, costs))
        for pair, session in list(self.views.items()):
            if node in pair:
                session.has_restarted_end = True
            if pair[0] == node:
                del self.views[pair]
                self.suspicions.pop(pair, None)
        self._start(node, epoch=epoch)

    def run(self, seconds: float) -> None:
        """Lets time pass."""
        until = self.now + seconds
        while self._events and self._events[0][0] <= until:
            self.now, _, action = heapq.heappop(self._events)
            action()
        self.now = until

    def settle(self, seconds: float = 30.0) -> None:
        """Lets the network come to rest, then checks that it is quiet and that all routes are the shortest."""
        self.run(seconds)
        self.sent.clear()
        self.run(self.parameters.digest_s * 1.5)
        assert all(isinstance(item, Digest) for _, _, items in self.sent for item in items), self.sent
        self.check_shortest()

    # What is checked.

    def check_shortest(self) -> None:
        """Compares every metric with Dijkstra's, and looks for unfeasible routes that would be better."""
        graph: networkx.DiGraph[int] = networkx.DiGraph()
        graph.add_nodes_from(self.engines)
        for (low, high), session in self.links.items():
            for node, neighbour in ((low, high), (high, low)):
                if (node, neighbour) not in self.suspicions:
                    graph.add_edge(neighbour, node, cost=session.costs[node])
        for destination in self.engines:
            exact = networkx.single_source_dijkstra_path_length(graph, destination, weight="cost")
            for name, engine in self.engines.items():
                found = {route.node: route.metric for route in engine.selected_routes()}
                if name != destination:
                    assert found.get(address(destination)) == exact.get(name), (name, destination)
        for engine in self.engines.values():
            selected = {route.node: route.metric for route in engine.selected_routes()}
            for route in engine.fallback_routes():
                assert route.metric >= selected.get(route.node, INFINITY)

    def check_node(self, name: int) -> None:
        """Checks I2, I3 and I4 on one node: what must hold of it at any instant."""
        engine = self.engines[name]
        table = engine._table
        seen = self._feasibility.setdefault(name, {})
        next_hops = {}
        for row in table.rows.values():
            before = seen.get(row, row.feasibility_distance)
            is_collected = row.feasibility_distance == NO_SOURCE and not row.holders
            assert row.feasibility_distance <= before or is_collected, "a feasibility distance got worse"
            seen[row] = row.feasibility_distance
            if row.selected == OURSELVES:
                continue
            assert (row.selected < 0) == (row.metric == INFINITY)
            assert not row.current & ~row.holders
            if row.selected < 0:
                continue
            route = row.routes[row.selected]
            neighbour = table.neighbour_at(row.selected)
            next_hops[row.node] = neighbour.address
            assert route < RETRACTED
            assert not neighbour.suspected
            assert row.metric == metric_of(route) + neighbour.link_cost
            self._check_descent(name, row, route, int.from_bytes(neighbour.address[2:8], "big"))
        assert engine.forwarding.next_hop == next_hops

    def _check_descent(self, name: int, row: Destination, route: int, neighbour: int) -> None:
        """I2: the next hop's feasibility distance is no greater than what it advertises, and smaller than ours."""
        if self.views[name, neighbour].has_restarted_end:
            return
        theirs = self.engines[neighbour]._table.rows.get(row.node)
        assert theirs is not None
        assert theirs.feasibility_distance <= route
        assert theirs.feasibility_distance < row.feasibility_distance

    def check_loops(self, name: int, destination: bytes) -> None:
        """I1: following next hops from a node never comes to a node twice."""
        visited = {name: None}
        while destination in self.engines[name].forwarding.next_hop:
            hop = int.from_bytes(self.engines[name].forwarding.next_hop[destination][2:8], "big")
            if self.views[name, hop].has_restarted_end:
                return
            assert hop not in visited, f"loop towards {destination.hex()}: {[*visited, hop]}"
            visited[hop] = None
            name = hop
            self.loops_checked += 1

    # The machinery.

    def _start(self, name: int, *, epoch: int) -> None:
        self.engines[name] = make_engine(
            name, epoch=epoch, now=self.now, seed=self.rng.getrandbits(32), parameters=self.parameters
        )
        self._feasibility[name] = {}
        self._arm(name)

    def _reconnect(self, node: int, neighbour: int, costs: dict[int, int]) -> None:
        if (min(node, neighbour), max(node, neighbour)) not in self.links:
            self.connect(node, neighbour, costs[node], costs[neighbour])

    def _up(self, node: int, neighbour: int, session: Session) -> None:
        if session.is_cut:
            return
        self.views[node, neighbour] = session
        self.suspicions.pop((node, neighbour), None)
        self.engines[node].neighbour_up(address(neighbour), session.costs[node], now=self.now)
        self._after_event(node)

    def _down(self, node: int, neighbour: int, session: Session) -> None:
        if self.views.get((node, neighbour)) is not session:
            return
        del self.views[node, neighbour]
        self.suspicions.pop((node, neighbour), None)
        self.engines[node].neighbour_down(address(neighbour), now=self.now)
        self._after_event(node)

    def _receive(self, node: int, neighbour: int, session: Session, items: list[Item]) -> None:
        if self.views.get((node, neighbour)) is session:
            self.engines[node].receive(address(neighbour), items, now=self.now)
            self._after_event(node)

    def _wake(self, name: int, engine: RoutingEngine) -> None:
        if self.engines[name] is engine and engine.next_deadline() <= self.now:
            engine.handle_timeout(now=self.now)
            self._after_event(name)

    def _after_event(self, name: int) -> None:
        engine = self.engines[name]
        self.check_node(name)
        for _, destination, _, _, _ in engine.changes:
            self.check_loops(name, destination)
        engine.changes.clear()
        for receiver, items in engine.outbox:
            neighbour = int.from_bytes(receiver[2:8], "big")
            self.sent.append((name, neighbour, items))
            session = self.views[name, neighbour]
            self._deliver(name, session, partial(self._receive, neighbour, name, session, items))
        engine.outbox.clear()
        self._arm(name)

    def _deliver(self, sender: int, session: Session, action: Callable[[], None]) -> None:
        at = max(session.arrivals.get(sender, 0.0), self.now + self.rng.uniform(*DELAY_S))
        session.arrivals[sender] = at
        self._at(at, lambda: None if session.is_cut else action())

    def _arm(self, name: int) -> None:
        engine = self.engines[name]
        deadline = engine.next_deadline()
        if deadline != float("inf"):
            self._at(max(deadline, self.now), lambda: self._wake(name, engine))

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        self._at(self.now + seconds, action)

    def _at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), action))
