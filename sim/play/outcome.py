"""The last records of a run: violations, one record per node, the stretch of sampled paths, the map, and the summary."""

import resource
from collections.abc import Iterator
from typing import Any

import msgspec

from mycelium.identity import blake2b
from mycelium.wire.distance import INFINITY

from ..net.mesh import Mesh
from ..quantiles import quantiles
from .stage import Stage
from .stretch import sample_paths


def ending(
    stage: Stage, violations: list[dict[str, Any]], promises: dict[str, float], reproduction: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yields the last records of a run. Violations include what is needed to reproduce them."""
    for violation in violations:
        yield {**violation, "reproduce": reproduction, "last_events": _last_events(stage, violation)}
    yield from stage.flows.unfinished()
    yield from _nodes(stage)
    stage.oracle.refresh()
    paths = sample_paths(stage)
    yield {"type": "stretch", "values": paths.stretch, "met": paths.met}
    yield _map(stage)
    yield {**_summary(stage, len(violations), promises), "pairs_undelivered": paths.undelivered}


def _last_events(stage: Stage, violation: dict[str, Any]) -> list[dict[str, Any]]:
    nodes = set(violation.get("nodes", [violation.get("node")]))
    return stage.mesh.log.last_events(lambda node, peer: node in nodes or peer in nodes)


def _nodes(stage: Stage) -> Iterator[dict[str, Any]]:
    mesh = stage.mesh
    graph = mesh.graph()
    for node in sorted(mesh.epochs):
        engine = mesh.engine(node)
        yield {
            "type": "node",
            "node": node,
            "degree": graph.degree(node) if node in graph else 0,
            "bytes_sent": mesh.bytes_sent(node),
            "messages_sent": mesh.messages_sent(node),
            "routes": 0 if engine is None else len(engine.forwarding.next_hop),
        }


def _map(stage: Stage) -> dict[str, Any]:
    positions = {str(node): list(place) for node, place in stage.graph.nodes(data="pos") if place is not None}
    edges = [
        [low, high, link.round_trip_s / 2, "up" if link.is_open else "down"]
        for (low, high), link in stage.mesh.links.items()
    ]
    return {"type": "map", "positions": positions, "edges": edges, "half": _half_links(stage.mesh)}


def _half_links(mesh: Mesh) -> list[tuple[int, int]]:
    """Returns (node, neighbour) for each link that only the node uses."""
    engines = ((node, mesh.engine(node)) for node in mesh.running())
    costs = {node: engine.link_costs() for node, engine in engines if engine is not None}
    used = {(node, mesh.index_of[one]) for node, its in costs.items() for one, cost in its.items() if cost < INFINITY}
    return sorted((node, neighbour) for node, neighbour in used if (neighbour, node) not in used)


def _summary(stage: Stage, violations: int, promises: dict[str, float]) -> dict[str, Any]:
    mesh = stage.mesh
    nodes = max(len(mesh.epochs), 1)
    return {
        "type": "summary",
        "nodes": len(mesh.epochs),
        "links": len(mesh.links),
        "converged_s": stage.settled_s[0] if stage.settled_s else None,
        "settled_s": stage.settled_s,
        "virtual_s": mesh.now,
        "wall_s": round(stage.wall_s, 3),
        "events": mesh.heap.handled,
        "messages": mesh.messages,
        "bytes_per_node": round(stage.total_bytes() / nodes, 1),
        "idle_bytes_per_node_per_s": stage.bytes_per_s.get("idle"),
        "churn_bytes_per_node_per_s": stage.bytes_per_s.get("churn"),
        "next_hops_checked": stage.loops.checked,
        "loops": stage.loops.loops,
        "metric_mismatches": stage.mismatches,
        "violations": violations,
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "log_hash": _log_hash(stage),
        "pings": _pings(stage),
        "figures": stage.figures.values(stage.pings),
        "promises": promises,
        "outage_s": _quantiles(stage.flows.outages_s),
        "detection_s": _quantiles(
            [outage - after for outage, after in zip(stage.flows.outages_s, stage.flows.after_detection_s, strict=True)]
        ),
        "after_detection_s": _quantiles(stage.flows.after_detection_s),
        "repair_s": _quantiles(stage.flows.repairs_s),
    }


def _pings(stage: Stage) -> dict[str, float] | None:
    pings = stage.pings
    if pings is None:
        return None
    return {"sent": pings.sent, "arrived": pings.arrived, "longest_gap_s": round(pings.longest_gap_s, 4)}


def _quantiles(values: list[float]) -> dict[str, float] | None:
    found = quantiles(values)
    return None if found is None else msgspec.structs.asdict(found)


def _log_hash(stage: Stage) -> str:
    """Returns the hash of all events and of the final routing tables."""
    mesh = stage.mesh
    for node in mesh.running():
        engine = mesh.engine(node)
        assert engine is not None
        hop_to = engine.forwarding.next_hop.get
        table = [address + metric.to_bytes(4, "big") + hop_to(address, b"") for address, metric in engine.metrics()]
        mesh.log.add(blake2b(b"".join(table), size=16))
    return mesh.log.digest()
