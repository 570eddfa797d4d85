"""The stage of a scenario: a mesh, its virtual time, the checks made meanwhile, and the records of all that.

Methods that let time pass are iterators that yield now and then, so that their caller can show progress, forward records or
stop.
"""

import time
from collections.abc import Iterator
from typing import Any, Final

import networkx

from mycelium.wire.distance import INFINITY

from ..net.mesh import Mesh
from ..net.node_mesh import NodeMesh
from .figures import Figures
from .flows import FlowWatch
from .invariants import EVERY, InvariantBroken, LoopWatch, check_owners, check_tables
from .nat_pair import NatPair
from .oracle import Oracle
from .pings import PingTraffic
from .scoped_oracle import ScopedOracle
from .sent import SentWatch

SAMPLE_S: Final = 0.05  # interval of samples while the mesh changes
CHURN_SAMPLE_S: Final = 5.0  # the same while it changes all the time: the oracle computes paths anew for each
REST_S: Final = 5.0  # interval of samples while all metrics are right
QUIET_S: Final = 0.25  # a mesh has settled after this time without messages other than digests
STEADY_S: Final = 2.0  # a mesh whose messages go on has settled once all metrics were right for this time
EVENTS_AT_ONCE: Final = 20_000  # between two yields
FEW_NODES: Final = 200  # in a mesh up to this size every route change is checked, even during a cold start


class Stage:
    """A run in progress."""

    def __init__(self, mesh: Mesh, graph: "networkx.Graph[int]", *, black_hole_s: float, stride: int = 0) -> None:
        self.mesh = mesh
        self.graph = graph  # as the topology gives it; links may have been cut since
        self.dice = mesh.rng("scenario")
        scope = mesh.scope if mesh.scope < len(graph) else None  # nodes in the tables of a mesh that has more
        self.oracle: Oracle | ScopedOracle = Oracle(mesh) if scope is None else ScopedOracle(mesh, scope)
        self.loops = LoopWatch(mesh)
        self.flows = FlowWatch(mesh, black_hole_s=black_hole_s)
        self.figures = Figures(mesh, self.flows)
        self.records: list[dict[str, Any]] = []
        self.chosen: list[tuple[int, int]] = []  # links to which the scenario refers as "chosen"
        self.hidden: list[int] = []  # nodes behind NATs
        self.nat_pairs: list[NatPair] = []  # nodes that look for ways to each other
        self.severed: list[tuple[int, int]] = []  # links that a partition has cut
        self.settled_s: list[float] = []  # how long each `settle` took
        self.bytes_per_s: dict[str, float] = {}  # that a node sends on average, by the action that measured it
        self.mismatches = 0
        self.pings: PingTraffic | None = None
        self._full_stride = stride
        self._began = time.monotonic()
        self._sampled_at = -1.0
        self._links_changed = True
        self._is_resting = False
        self._judged = (-1, 0)  # after how many events, and how many nodes were right
        self._marked = (0.0, 0)  # time and bytes at the last mark
        mesh.watchers.append(self)

    # -- what the mesh reports -----------------------------------------------------------------------------------------

    def routes_changed(self, node: int) -> None:
        self.loops.check(node)
        self.figures.routes_changed(node)
        if self.flows.flows:
            self.flows.routes_changed(node)

    def links_changed(self) -> None:
        self._links_changed = True
        self._is_resting = False
        self._judged = (-1, 0)
        self.mesh.heap.stop_by(self.mesh.now + SAMPLE_S)
        if self.flows.flows:
            self.flows.links_changed()

    def link_lost(self, node: int, neighbour: int, cause: str, *, is_false: bool) -> None:
        self.act("link lost", node=node, neighbour=neighbour, cause=cause, is_false=is_false)
        if is_false:
            self.figures.false_dead.append((self.mesh.now, node, neighbour))

    def measure(self) -> None:
        """Starts to measure the figures on which scenarios promise bounds."""
        self.figures.start_over(self.pings)

    def broken_promises(self, promises: dict[str, float]) -> list[dict[str, Any]]:
        """Returns a violation record for each broken promise."""
        return self.figures.broken(promises, self.pings)

    def watch(self, source: int, destination: int, every_s: float) -> int | None:
        """Starts to watch a flow; whole nodes also send packets, in a flow whose number is returned."""
        self.flows.watch(source, destination)
        if not isinstance(self.mesh, NodeMesh):
            return None
        if self.pings is None:
            self.pings = PingTraffic(self.mesh)
        return self.pings.add(source, destination, every_s)

    # -- records -------------------------------------------------------------------------------------------------------

    def emit(self, kind: str, **fields: Any) -> None:
        """Adds a record."""
        self.records.append({"type": kind, **fields})

    def act(self, what: str, **details: Any) -> None:
        """Adds a record of what the scenario does."""
        self.emit("action", t=self.mesh.now, what=what, **details)

    def take_records(self) -> list[dict[str, Any]]:
        """Returns the records since the last call."""
        self.records += self.flows.ended
        self.flows.ended.clear()
        records, self.records = self.records, []
        return records

    @property
    def wall_s(self) -> float:
        """Real seconds since the stage was created."""
        return time.monotonic() - self._began

    def total_bytes(self) -> int:
        """Returns the bytes that all nodes have sent, without UDP and IP headers."""
        return sum(self.mesh.bytes_sent(node) for node in self.mesh.epochs)

    # -- time ----------------------------------------------------------------------------------------------------------

    def watch_all_changes(self, wanted: bool) -> None:
        """Checks every route change, or only some of them during the cold start of many nodes."""
        nodes = len(self.mesh.epochs)
        self.loops.stride = EVERY if wanted or nodes <= FEW_NODES else nodes // 20
        if self._full_stride:
            self.loops.stride = self._full_stride

    def measure_traffic(self, during: str, steps: Iterator[None]) -> Iterator[None]:
        """Performs an action and reports what nodes send meanwhile."""
        sent = SentWatch(self.mesh)
        yield from steps
        found = sent.end()
        self.bytes_per_s[during] = found["mean"]
        self.emit("traffic", t=self.mesh.now, during=during, **found)

    def pass_time(self, seconds: float, *, sample_s: float = SAMPLE_S) -> Iterator[None]:
        """Lets virtual time pass; `sample_s` is the least time between two looks at all metrics."""
        mesh = self.mesh
        end = mesh.now + seconds
        while mesh.now < end:
            step_s = REST_S if self._is_resting else SAMPLE_S
            tick = min(end, max(mesh.now + step_s, mesh.heap.next_time()))
            while not mesh.run(tick, events=EVENTS_AT_ONCE):
                yield
            self._look(sample_s)
            yield

    def _look(self, sample_s: float) -> None:
        self.flows.check()
        is_changed = self._links_changed or self.mesh.last_activity > self._sampled_at
        if is_changed and self.mesh.now - self._sampled_at >= sample_s:
            self._sample()

    def _sample(self) -> None:
        mesh = self.mesh
        self._links_changed = False
        self._sampled_at = mesh.now
        converged = self._converged()
        self._is_resting = converged == len(mesh.tables)
        self.emit(
            "sample",
            t=mesh.now,
            wall_s=round(self.wall_s, 3),
            converged_nodes=converged,
            messages=mesh.messages,
            bytes=self.total_bytes(),
            events=mesh.heap.handled,
        )

    def _converged(self) -> int:
        """Returns how many nodes are right; asks the oracle once after each event."""
        handled = self.mesh.heap.handled
        if self._judged[0] != handled:
            self.oracle.refresh()
            self._judged = handled, self.oracle.converged()
        return self._judged[1]

    def settle(self, *, within_s: float, metrics: bool = True) -> Iterator[None]:
        """Lets time pass until all metrics are right and routing is quiet; raises InvariantBroken if that takes longer.

        Without `metrics` quiet routing is sufficient, as in a mesh where a liar falsifies metrics.
        """
        mesh = self.mesh
        begun = right_since = mesh.now
        while True:
            yield from self.pass_time(SAMPLE_S)
            if not self._is_at_rest(metrics):
                right_since = mesh.now
                if mesh.now - begun > within_s:
                    self._give_up(within_s)
            elif mesh.now - max(mesh.last_activity, begun) >= QUIET_S:
                return self._has_settled(begun, max(mesh.last_activity, begun))
            elif mesh.now - right_since >= STEADY_S:
                return self._has_settled(begun, right_since)

    def _is_at_rest(self, metrics: bool) -> bool:
        if metrics and self._converged() != len(self.mesh.tables):
            return False
        return self._are_links_known()

    def _are_links_known(self) -> bool:
        """Tells whether both ends of every open link use it, and no node uses any other link."""
        mesh = self.mesh
        running = set(mesh.running())
        edges = {edge for edge, link in mesh.links.items() if link.is_open and running.issuperset(edge)}
        if not all(mesh.carries(low, high) and mesh.carries(high, low) for low, high in edges):
            return False
        return all(
            (min(node, other), max(node, other)) in edges or mesh.has_way(node, address)
            for node in running
            if (engine := mesh.engine(node)) is not None
            for address, cost in engine.link_costs().items()
            if cost < INFINITY and (other := mesh.index_of[address]) >= 0
        )

    def _has_settled(self, begun: float, settled: float) -> None:
        self.mismatches = 0
        self.settled_s.append(settled - begun)
        nodes = len(self.mesh.epochs)
        sent = self.bytes_since_mark()
        self.act("settled", settled_s=settled - begun, bytes_per_node=round(sent / nodes, 1))
        self.mark()
        check_tables(self.mesh)
        check_owners(self.mesh)
        self.watch_all_changes(True)

    def _give_up(self, within_s: float) -> None:
        mesh = self.mesh
        self.oracle.refresh()
        self.mismatches, named = self.oracle.mismatches()
        down = [
            [low, high] for low, high in mesh.graph().edges if not (mesh.carries(low, high) and mesh.carries(high, low))
        ]
        raise InvariantBroken(
            "not settled",
            t=mesh.now,
            within_s=within_s,
            mismatches=self.mismatches,
            first=named,
            links_not_up=down[:20],
            nodes=sorted({one["node"] for one in named}),
        )

    def mark(self) -> None:
        """Starts to count bytes for `bytes_since_mark`."""
        self._marked = (self.mesh.now, self.total_bytes())

    def bytes_since_mark(self) -> int:
        """Returns the bytes that all nodes have sent since the last mark."""
        return self.total_bytes() - self._marked[1]
