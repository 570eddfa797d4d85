"""How long, in how much memory and with how many updates do N routing engines in one process find all shortest paths?

    ./dev bench routing_scale 300 1000

A cold start on a Barabasi-Albert graph (m = 2) with link delays of 1 to 50 ms, cost = delay; signatures cost nothing. The
result is checked against Dijkstra for some sources.
"""

import argparse
import gc
import heapq
import itertools
import random
import resource
import time

import networkx

from mycelium.routing.engine import RoutingEngine
from mycelium.wire.announcement import Announcement
from mycelium.wire.control import Item

UNIT_S = 1e-5
CHECKED_SOURCES = 5


class World:
    """Engines, links that are reliable and in order, and virtual time."""

    def __init__(self, graph: "networkx.Graph[int]", seed: int) -> None:
        self.graph = graph
        self.now = 0.0
        self.events: list[tuple[float, int, RoutingEngine, bytes | None, list[Item]]] = []
        self.order = itertools.count()
        self.due: dict[bytes, float] = {}
        self.cost: dict[tuple[bytes, bytes], int] = {}
        self.engines: dict[bytes, RoutingEngine] = {}
        rng = random.Random(seed)
        for name in graph:
            self.engines[address(name)] = engine(name, rng.getrandbits(32))
        for one, other in graph.edges:
            cost = rng.randint(100, 5_000)
            graph.edges[one, other]["cost"] = cost
            a, b = self.engines[address(one)], self.engines[address(other)]
            for end, neighbour in ((a, b.node), (b, a.node)):
                self.cost[end.node, neighbour] = cost
                end.neighbour_up(neighbour, cost, now=0.0)
        for each in self.engines.values():
            self.arm(each)

    def arm(self, node: RoutingEngine) -> None:
        deadline = node.next_deadline()
        if deadline < self.due.get(node.node, float("inf")):
            self.due[node.node] = deadline
            heapq.heappush(self.events, (deadline, next(self.order), node, None, []))

    def run(self, until: float) -> float:
        """Runs to a virtual time; returns when the last next hop changed."""
        changed_at = 0.0
        while self.events and self.events[0][0] <= until:
            self.now, _, node, sender, items = heapq.heappop(self.events)
            version = node.forwarding.version
            if sender is not None:
                node.receive(sender, items, now=self.now)
            elif self.due.get(node.node) == self.now:
                del self.due[node.node]
                node.handle_timeout(now=self.now)
                for neighbour, batch in node.outbox:
                    arrival = self.now + self.cost[node.node, neighbour] * UNIT_S
                    event = (arrival, next(self.order), self.engines[neighbour], node.node, batch)
                    heapq.heappush(self.events, event)
                node.outbox.clear()
            if node.forwarding.version != version:
                changed_at = self.now
            self.arm(node)
        self.now = until
        return changed_at

    def check(self) -> None:
        """Compares with Dijkstra."""
        for source in sorted(self.graph)[:CHECKED_SOURCES]:
            exact = networkx.single_source_dijkstra_path_length(self.graph, source, weight="cost")
            routes = self.engines[address(source)].selected_routes()
            found = {route.node: route.metric for route in routes}
            assert found == {address(node): metric for node, metric in exact.items() if node != source}


def address(name: int) -> bytes:
    return bytes((4, 0)) + name.to_bytes(6, "big") + bytes(8)


def engine(name: int, seed: int) -> RoutingEngine:
    key = address(name) + bytes(16)
    return RoutingEngine(
        node=address(name),
        announce=lambda sequence: Announcement(key, sequence, bytes(8)),
        verify=lambda announcement: True,
        address_of=lambda key: key[:16],
        epoch=1,
        rng=random.Random(seed),
        now=0.0,
    )


def measure(nodes: int, seed: int) -> None:
    """Prints one line; seconds are processor time of this one thread."""
    gc.collect()
    gc.disable()
    before = memory_mib()
    graph = networkx.barabasi_albert_graph(nodes, 2, seed=seed)
    started = time.process_time()
    world = World(graph, seed)
    converged = world.run(5.0)
    took_s = time.process_time() - started
    used = memory_mib() - before
    updates = sum(node.counters.updates_received for node in world.engines.values())
    changes = sum(node.forwarding.version for node in world.engines.values())
    started = time.process_time()
    world.run(100.0)
    quiet_s = time.process_time() - started
    world.check()
    print(
        f"{nodes} nodes: {took_s:.2f} s, {used:.0f} MiB, converged after {converged:.3f} s of virtual time, "
        f"{updates} updates received ({updates / nodes / nodes:.2f} a destination, {took_s / updates * 1e6:.2f} us each), "
        f"{changes} route changes; 95 quiet virtual seconds: {quiet_s:.2f} s",
        flush=True,
    )


def memory_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nodes", type=int, nargs="*", default=[300, 1000])
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for nodes in arguments.nodes:
        measure(nodes, arguments.seed)


if __name__ == "__main__":
    main()
