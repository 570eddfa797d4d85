"""Watched flows: the times during which a packet from one node to another would not have arrived.

The path of a flow is traced through the forwarding tables whenever a table on it, or any link, changes. An outage begins with
the cut or the lost route that interrupts the path. It is detected once no node on the path forwards to a dead link any more;
the rest of the outage is due to routing. The part during which the mesh had a path is avoidable.
"""

import networkx

from mycelium.wire.distance import INFINITY

from ..net.mesh import Mesh
from .invariants import InvariantBroken

DEAD_LINK = "dead link"
NO_ROUTE = "no route"


class Flow:
    """One direction between two nodes."""

    __slots__ = ("destination", "detected", "is_parted", "path", "reachable_since", "since", "source")

    def __init__(self, source: int, destination: int) -> None:
        self.source = source
        self.destination = destination
        self.path: tuple[int, ...] = ()  # as far as packets get
        self.since: float | None = None  # start of the current outage
        self.detected: float | None = None
        self.is_parted = False  # the mesh had no path when last checked
        self.reachable_since = 0.0  # since when the mesh has had a path in the current outage


class FlowWatch:
    """All watched flows of a run."""

    def __init__(self, mesh: Mesh, *, black_hole_s: float) -> None:
        self._mesh = mesh
        self._black_hole_s = black_hole_s
        self._through: dict[int, dict[Flow, None]] = {}  # by node on the path
        self.flows: list[Flow] = []
        self.ended: list[dict[str, object]] = []  # records of outages, until they are taken
        self.outages_s: list[float] = []
        self.after_detection_s: list[float] = []
        self.repairs_s: list[float] = []  # without the time in which the mesh had no path
        self._avoidable_s: list[float] = []  # of outages that have ended since `start_over`

    def watch(self, source: int, destination: int) -> None:
        """Starts to watch a flow."""
        flow = Flow(source, destination)
        self.flows.append(flow)
        self._trace(flow)

    def path(self, source: int, destination: int, *, by: bytes | None = None) -> tuple[tuple[int, ...], str]:
        """Returns the nodes that a packet reaches, and why it ends at the last one: "" if that is the destination.

        A packet to a node out of scope carries the address of another, `by`: that node's home unless given.
        """
        mesh = self._mesh
        target, engine = mesh.address(destination), mesh.engine(destination)
        home = engine.home if by is None and engine is not None else by
        node, path = source, [source]
        while node != destination:
            table = mesh.tables.get(mesh.address(node), {})
            hop = table.get(target) or (table.get(home) if home is not None else None)
            if hop is None or node in mesh.liars or len(path) > len(mesh.tables):
                return tuple(path), NO_ROUTE
            following = mesh.index_of[hop]
            if not mesh.carries(node, following):
                return tuple(path), DEAD_LINK
            node = following
            path.append(node)
        return tuple(path), ""

    def routes_changed(self, node: int) -> None:
        """Traces all flows that lead through a node, or to it."""
        for flow in list(self._through.get(node, ())):
            self._trace(flow)

    def links_changed(self) -> None:
        """Traces all flows. Those without a path may have one now."""
        for flow in self.flows:
            if flow.is_parted:
                flow.reachable_since = self._mesh.now
            self._trace(flow)

    def start_over(self) -> None:
        """Discards the outages that have ended."""
        self._avoidable_s.clear()

    def avoidable_s(self) -> list[float]:
        """Returns the avoidable seconds of each outage, current ones included."""
        now = self._mesh.now
        lasting = [now - flow.reachable_since for flow in self.flows if flow.since is not None and not flow.is_parted]
        return [*self._avoidable_s, *lasting]

    def _trace(self, flow: Flow) -> None:
        path, stop = self.path(flow.source, flow.destination)
        for node in (*flow.path, flow.destination):
            self._through.get(node, {}).pop(flow, None)
        flow.path = path
        for node in (*path, flow.destination):  # the latter may have changed its home
            self._through.setdefault(node, {})[flow] = None
        if stop:
            self._is_out(flow, stop)
        elif flow.since is not None:
            self._is_back(flow)

    def _is_out(self, flow: Flow, stop: str) -> None:
        now = self._mesh.now
        if flow.since is None:
            flow.since = flow.reachable_since = now
            flow.is_parted = False
            flow.detected = None
        if stop != DEAD_LINK and flow.detected is None:
            flow.detected = now

    def _is_back(self, flow: Flow) -> None:
        assert flow.since is not None
        now = self._mesh.now
        detected = now if flow.detected is None else flow.detected
        self.outages_s.append(now - flow.since)
        self.after_detection_s.append(now - detected)
        self._avoidable_s.append(now - flow.reachable_since)
        self.repairs_s.append(now - max(detected, flow.reachable_since))
        self.ended.append(_record(flow, now, now - flow.since, now - detected, self.repairs_s[-1]))
        flow.since = None

    def check(self) -> None:
        """Checks for black holes: flows in a long outage although the mesh has a path; raises InvariantBroken."""
        mesh, now = self._mesh, self._mesh.now
        out = []
        for flow in self.flows:
            if flow.since is not None:
                flow.is_parted = mesh.engine(flow.source) is None or mesh.engine(flow.destination) is None
                if flow.is_parted:
                    flow.reachable_since = now
                else:
                    out.append(flow)
        if not out:  # the graph of a large mesh is not made for nothing
            return
        component: dict[int, int] = {}
        for number, nodes in enumerate(networkx.connected_components(self._usable_graph())):
            component.update(dict.fromkeys(nodes, number))
        for flow in out:
            place = component.get(flow.source)
            flow.is_parted = place is None or place != component.get(flow.destination)
            if flow.is_parted:
                flow.reachable_since = now
            elif now - flow.reachable_since > self._black_hole_s:
                raise InvariantBroken(
                    "black hole", t=now, flow=[flow.source, flow.destination], since=flow.since, nodes=list(flow.path)
                )

    def _usable_graph(self) -> "networkx.Graph[int]":
        """Returns the open links that both ends use; a suspected link is not used."""
        mesh = self._mesh
        graph = mesh.graph()
        graph.remove_nodes_from([node for node in graph if node in mesh.liars])
        for node in list(graph):
            engine = mesh.engine(node)
            assert engine is not None
            for address, cost in engine.link_costs().items():
                if cost == INFINITY and graph.has_edge(node, mesh.index_of[address]):
                    graph.remove_edge(node, mesh.index_of[address])
        return graph

    def unfinished(self) -> list[dict[str, object]]:
        """Returns records of the current outages."""
        return [_record(flow, None, None, None, None) for flow in self.flows if flow.since is not None]


def _record(
    flow: Flow, end: float | None, outage_s: float | None, after_detection_s: float | None, repair_s: float | None
) -> dict[str, object]:
    return {
        "type": "outage",
        "flow": [flow.source, flow.destination],
        "start": flow.since,
        "end": end,
        "outage_s": outage_s,
        "after_detection_s": after_detection_s,
        "repair_s": repair_s,
    }
