"""A mesh of routing engines that is checked after every event: no loop at any instant, the shortest paths once it is quiet."""

from collections.abc import Iterable
from random import Random

from mycelium.routing.destination import OURSELVES, Destination
from mycelium.routing.digest import digest_of, share_of
from mycelium.routing.engine import RoutingEngine
from mycelium.routing.neighbour import DAMPED_COST
from mycelium.wire.control import Digest, Item
from mycelium.wire.distance import INFINITY, NO_SOURCE, RETRACTED, metric_of
from sim.net.routing_mesh import End, RoutingMesh, RoutingSettings, SimulatedNode
from sim.play.oracle import Oracle
from tests.routing.engines import QUICK

DELAY_S = 0.0005
JITTER_S = 0.02
SETTINGS = RoutingSettings(detection_s=0.02, detection_spread_s=0.28, parameters=QUICK)


class CheckedMesh(RoutingMesh):
    """Nodes whose links have delays and are noticed dead after a time drawn from the seed."""

    def __init__(self, nodes: Iterable[int], *, seed: int = 0, settings: RoutingSettings = SETTINGS) -> None:
        super().__init__(seed=seed, link_defaults={"jitter_s": JITTER_S}, settings=settings)
        self.dice = Random(seed)
        self.sent: list[tuple[int, int, list[Item]]] = []  # what has been sent since someone last cleared it
        self.loops_checked = 0
        self._orphaned: dict[
            tuple[int, int], int
        ] = {}  # (node, neighbour that restarted) -> the session that this ended
        self._feasibility: dict[int, dict[Destination, int]] = {}
        for node in nodes:
            self.start(node, epoch=1)

    @property
    def engines(self) -> dict[int, RoutingEngine]:
        """The engines of all nodes."""
        return {node: self._engine(node) for node in self.epochs}

    # What happens to the mesh.

    def start(self, node: int, *, epoch: int | None = None) -> None:
        self._feasibility[node] = {}
        super().start(node, epoch=epoch)

    def connect(self, one: int, other: int, cost: int, back: int | None = None) -> None:
        """Brings a link up anew; `back` is what it costs the other end, where that differs."""
        ends = min(one, other), max(one, other)
        if ends in self.links:
            self.cut(*ends)
        else:
            self.add_link(*ends, delay_s=DELAY_S)
        link = self.link(*ends)
        link.directions[one].cost, link.directions[other].cost = cost, cost if back is None else back
        link.open()
        self._shake_hands(self._ends[self.dice.choice((ends, ends[::-1]))])

    def set_cost(self, node: int, neighbour: int, cost: int) -> None:
        """Changes what a link costs to one of its ends."""
        self.link(node, neighbour).directions[node].cost = cost
        self._tell_cost(self._ends[node, neighbour])

    def disturb(self, dice: Random) -> None:
        """Cuts a random link, opens it, or changes what it costs one end."""
        one, other = dice.choice(list(self.links))
        match dice.choice(("cut", "connect", "cost")):
            case "cut":
                self.cut(one, other)
            case "connect":
                self.connect(one, other, dice.randint(1, 60))
            case "cost":
                self.set_cost(one, other, dice.randint(1, 60))

    def suspect(self, node: int, neighbour: int, suspected: bool) -> None:
        """Has a node suspect one of its neighbours, or trust it again."""
        end = self._ends.get((node, neighbour))
        if end is not None and end.session and end.node.engine is not None:
            end.node.engine.neighbour_suspect(end.other.node.address, suspected, now=self.now)
            self._after_event(end.node)

    def avoid(self, node: int, destination: int, neighbour: int, avoided: bool) -> None:
        """Has a node count a neighbour's route to a node as longer, or its link, where the destination is the neighbour."""
        end = self._ends.get((node, neighbour))
        if end is None or end.node.engine is None:
            return
        engine, hop = end.node.engine, end.other.node.address
        if destination == neighbour:
            engine.distrust(hop, avoided, now=self.now)
        else:
            engine.avoid(self.address(destination), hop, avoided, now=self.now)
        self._after_event(end.node)

    def believe_all(self) -> None:
        """Has all nodes count routes as what they are."""
        for node, neighbour in self._ends:
            for destination in self._nodes:
                self.avoid(node, destination, neighbour, False)

    def restart(self, node: int, *, epoch: int) -> None:
        """Restarts a node with all its memory lost; its links come up again a little later."""
        for low, high in [ends for ends, link in self.links.items() if node in ends and link.is_open]:
            self.cut(low, high)
            self.heap.after(self.dice.uniform(0.01, 0.5), self.mend, low, high)
        for end in self._nodes[node].ends.values():
            self._orphaned[end.other.node.index, node] = end.other.session
        self.stop(node)
        self.start(node, epoch=epoch)

    def pass_time(self, seconds: float) -> None:
        """Lets time pass."""
        self.run(self.now + seconds)
        for engine in self.engines.values():
            self._check_sums(engine)

    def settle(self, seconds: float = 30.0) -> None:
        """Lets the mesh come to rest, then checks that it is quiet and that all routes are the shortest."""
        self.pass_time(seconds)
        self.sent.clear()
        self.pass_time(QUICK.digest_s * 1.5)
        assert all(isinstance(item, Digest) for _, _, items in self.sent for item in items), self.sent
        self.check_shortest()

    # What is checked.

    def check_shortest(self) -> None:
        """Compares every metric with the oracle's, and looks for infeasible routes that would be better."""
        for end in self._ends.values():
            if end.link.is_open and end.node.engine is not None:
                used = end.node.engine.link_costs()[end.other.node.address]
                assert used in (self.cost_of(end.link, end.node.index), INFINITY)  # the latter where it is suspected
        oracle = Oracle(self)
        oracle.refresh()
        assert oracle.mismatches() == (0, [])
        for engine in self.engines.values():
            selected = {route.node: route.metric for route in engine.selected_routes()}
            for route in engine.fallback_routes():
                assert route.metric >= selected.get(route.node, INFINITY)

    def check_node(self, node: int) -> None:
        """Checks I2, I3 and I4 on one node: what must hold of it at any instant."""
        engine = self._engine(node)
        table = engine._table
        seen = self._feasibility[node]
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
            if engine._scope.holds(row):
                next_hops[row.node] = neighbour.address
            assert route < RETRACTED
            self._check_descent(node, row, route, self.index_of[neighbour.address])
            if row.selected in engine._selection.sweeps.by_slot:
                continue
            assert not neighbour.suspected
            cost = table.cost_to(row, row.selected)
            assert cost - neighbour.link_cost in (0, DAMPED_COST, 2 * DAMPED_COST)
            assert row.metric == metric_of(route) + cost
        assert engine.forwarding.next_hop == next_hops

    def _check_sums(self, engine: RoutingEngine) -> None:
        """Compares the sums that digests are made of with all rows, removed ones included that are still to be retracted."""
        table, advertiser = engine._table, engine._advertiser
        rows = dict.fromkeys([*table.rows.values(), *advertiser._dirty, *advertiser._lazy])
        for neighbour in table.by_address.values():
            routes = [(row.node, row.routes[neighbour.slot]) for row in table.rows.values()]
            finite = [route for route in routes if route[1] < RETRACTED]
            assert neighbour.routes == len(finite)
            assert neighbour.received in (None, sum(share_of(*route) for route in finite))
            held = sum(share_of(row.node, row.advertised) for row in rows if row.holders & neighbour.bit)
            assert engine._holdings.digest(neighbour) == digest_of(held)

    def _check_descent(self, node: int, row: Destination, route: int, neighbour: int) -> None:
        """I2: the next hop's feasibility distance is no greater than what it advertises, and smaller than ours."""
        if self._has_restarted(node, neighbour):
            return
        theirs = self._engine(neighbour)._table.rows.get(row.node)
        assert theirs is not None
        assert theirs.feasibility_distance <= route
        assert theirs.feasibility_distance < row.feasibility_distance

    def check_loops(self, node: int, destination: bytes) -> None:
        """I1: following next hops from a node never comes to a node twice."""
        visited = [node]
        while (address := self._engine(node).forwarding.next_hop.get(destination)) is not None:
            hop = self.index_of[address]
            if self._has_restarted(node, hop):
                return
            assert hop not in visited, f"loop towards {destination.hex()}: {[*visited, hop]}"
            visited.append(hop)
            node = hop
            self.loops_checked += 1

    def _has_restarted(self, node: int, neighbour: int) -> bool:
        """Tells whether a neighbour has lost its memory since it last shook hands with a node."""
        return self._orphaned.get((node, neighbour)) == self._ends[node, neighbour].session

    def _engine(self, node: int) -> RoutingEngine:
        engine = self.engine(node)
        assert engine is not None
        return engine

    # What the mesh does.

    def _after_event(self, node: SimulatedNode) -> None:
        self.check_node(node.index)
        changes = self._engine(node.index).changes
        for _, destination, *_ in changes:
            self.check_loops(node.index, destination)
        changes.clear()
        super()._after_event(node)

    def _send(self, node: SimulatedNode, end: End, items: list[Item]) -> None:
        self.sent.append((node.index, end.other.node.index, items))
        super()._send(node, end, items)
