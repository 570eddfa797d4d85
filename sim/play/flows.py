"""Watched flows: from when to when would a packet sent between two nodes not have arrived?

A flow is followed through the forwarding tables as they are at one moment, whenever one on its way, or a link, changes. Its
outage begins with the cut or the lost route that stops it. It is detected as soon as nobody on its way hands packets to a
dead link any more; what comes after that is routing's own time. The part of an outage in which there was a way is avoidable.
"""

import networkx

from mycelium.wire.distance import INFINITY
from sim.net.mesh import Mesh
from sim.play.invariants import InvariantBroken

DEAD_LINK = "dead link"
NO_ROUTE = "no route"


class Flow:
    """One direction between two nodes."""

    __slots__ = ("destination", "detected", "is_parted", "path", "reachable_since", "since", "source")

    def __init__(self, source: int, destination: int) -> None:
        self.source = source
        self.destination = destination
        self.path: tuple[int, ...] = ()  # as far as packets come
        self.since: float | None = None  # when the present outage began
        self.detected: float | None = None
        self.is_parted = False  # there was no way when last looked
        self.reachable_since = 0.0  # since when in this outage there has been a way


class FlowWatch:
    """All watched flows of a run."""

    def __init__(self, mesh: Mesh, *, black_hole_s: float) -> None:
        self._mesh = mesh
        self._black_hole_s = black_hole_s
        self._through: dict[int, dict[Flow, None]] = {}  # by node on the way
        self.flows: list[Flow] = []
        self.ended: list[dict[str, object]] = []  # records of outages since someone last took them
        self.outages_s: list[float] = []
        self.after_detection_s: list[float] = []
        self._avoidable_s: list[float] = []  # of outages that have ended since someone last started over

    def watch(self, source: int, destination: int) -> None:
        """Watches one more flow from now on."""
        flow = Flow(source, destination)
        self.flows.append(flow)
        self._follow(flow)

    def path(self, source: int, destination: int) -> tuple[tuple[int, ...], str]:
        """Returns the nodes that a packet comes to, and why it stops at the last one, "" where that is its destination."""
        mesh = self._mesh
        target = mesh.address(destination)
        node, path = source, [source]
        while node != destination:
            hop = mesh.tables.get(mesh.address(node), {}).get(target)
            if hop is None or node in mesh.liars or len(path) > len(mesh.tables):
                return tuple(path), NO_ROUTE
            following = mesh.index_of[hop]
            if not mesh.carries(node, following):
                return tuple(path), DEAD_LINK
            node = following
            path.append(node)
        return tuple(path), ""

    def routes_changed(self, node: int) -> None:
        """Follows anew every flow that comes by a node."""
        for flow in list(self._through.get(node, ())):
            self._follow(flow)

    def links_changed(self) -> None:
        """Follows every flow anew; those that had no way until now may have one."""
        for flow in self.flows:
            if flow.is_parted:
                flow.reachable_since = self._mesh.now
            self._follow(flow)

    def start_over(self) -> None:
        """Forgets the outages that have ended."""
        self._avoidable_s.clear()

    def avoidable_s(self) -> list[float]:
        """Returns for how many seconds of each outage there was a way; those count that have not ended."""
        now = self._mesh.now
        lasting = [now - flow.reachable_since for flow in self.flows if flow.since is not None and not flow.is_parted]
        return [*self._avoidable_s, *lasting]

    def _follow(self, flow: Flow) -> None:
        path, stop = self.path(flow.source, flow.destination)
        for node in flow.path:
            self._through[node].pop(flow, None)
        flow.path = path
        for node in path:
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
        self.ended.append(_record(flow, now, now - flow.since, now - detected))
        flow.since = None

    def check(self) -> None:
        """Looks for black holes: flows that have long been out though there is a way; raises InvariantBroken."""
        out = [flow for flow in self.flows if flow.since is not None]
        if not out:
            return
        now = self._mesh.now
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
        """Open links whose ends use them: a link that was dying again and again is left unused for a while."""
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
        """Returns records of the outages that have not ended."""
        return [_record(flow, None, None, None) for flow in self.flows if flow.since is not None]


def _record(
    flow: Flow, end: float | None, outage_s: float | None, after_detection_s: float | None
) -> dict[str, object]:
    return {
        "type": "outage",
        "flow": [flow.source, flow.destination],
        "start": flow.since,
        "end": end,
        "outage_s": outage_s,
        "after_detection_s": after_detection_s,
    }
