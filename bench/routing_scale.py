"""How long, in how much memory and with how many updates do N routing engines in one process find all shortest paths?

    ./dev bench routing_scale 300 1000

A cold start of a simulated mesh on a Barabasi-Albert graph (m = 2) with link delays of 1 to 50 ms, cost = delay; signatures
cost nothing. All metrics are compared with the oracle's.
"""

import argparse
import gc
import random
import resource
import time

import networkx

from mycelium.routing.engine import RoutingEngine
from sim.net.routing_mesh import RoutingMesh, RoutingSettings
from sim.play.oracle import Oracle

UNIT_S = 1e-5


class ChangeWatch:
    """Remembers when a next hop last changed."""

    def __init__(self, mesh: RoutingMesh) -> None:
        self._mesh = mesh
        self.changed_at = 0.0
        mesh.watchers.append(self)

    def routes_changed(self, node: int) -> None:
        self.changed_at = self._mesh.now

    def links_changed(self) -> None:
        pass

    def link_lost(self, node: int, neighbour: int, cause: str, *, is_false: bool) -> None:
        pass


def make_mesh(nodes: int, seed: int) -> RoutingMesh:
    """Returns a mesh whose nodes have just been started."""
    mesh, rng = RoutingMesh(seed=seed, link_defaults={}, settings=RoutingSettings()), random.Random(seed)
    for one, other in networkx.barabasi_albert_graph(nodes, 2, seed=seed).edges:
        cost = rng.randint(100, 5_000)
        mesh.add_link(one, other, delay_s=cost * UNIT_S, cost=cost).open()
    for node in range(nodes):
        mesh.start(node)
    return mesh


def engines(mesh: RoutingMesh) -> list[RoutingEngine]:
    """Returns the engines of all nodes."""
    return [engine for node in mesh.running() if (engine := mesh.engine(node)) is not None]


def measure(nodes: int, seed: int) -> None:
    """Prints one line; seconds are processor time of this one thread."""
    gc.collect()
    gc.disable()
    before = memory_mib()
    started = time.process_time()
    mesh = make_mesh(nodes, seed)
    watch = ChangeWatch(mesh)
    mesh.run(5.0)
    took_s = time.process_time() - started
    used = memory_mib() - before
    converged = watch.changed_at
    updates = sum(engine.counters.updates_received for engine in engines(mesh))
    changes = sum(engine.forwarding.version for engine in engines(mesh))
    started = time.process_time()
    mesh.run(100.0)
    quiet_s = time.process_time() - started
    oracle = Oracle(mesh)
    oracle.refresh()
    assert oracle.mismatches() == (0, [])
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
