"""Runs that never ran: the records of a made-up simulation, for tests of reports and sweeps; nothing here simulates."""

import os
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from mycelium.errors import ConfigError
from sim.run import RunSpec
from sim.topology import make_topology

DETECTION_S = 0.2


def fake_records(
    *,
    topology: str = "ba",
    nodes: int = 60,
    seed: int = 1,
    scenario: str = "cut",
    flows: int = 40,
    parameter: float = 1.0,
) -> Iterator[dict[str, object]]:
    """Yields the records of a mesh that converges within 3 s, is cut at 5 s and repairs itself."""
    rng = random.Random(f"fake/{seed}")
    graph = make_topology(topology, nodes, seed)
    links = sorted(graph.edges)
    cut = links[len(links) // 2]
    yield {
        "type": "run",
        "topology": topology,
        "nodes": nodes,
        "links": len(links),
        "scenario": scenario,
        "seed": seed,
        "fidelity": "routing",
        "parameters": {"detection_s": DETECTION_S, "scale": parameter},
    }
    converged_s = 2.0 + rng.random() * parameter
    messages = 0
    for step in range(81):
        t = step / 10
        if step == 50:
            yield {"type": "action", "t": t, "what": "cut", "link": list(cut), "silent": True}
        affected = nodes // 5 if 50 <= step < 53 else 0
        reached = min(nodes, int(nodes * (t / converged_s) ** 3)) - affected
        messages += 40 * nodes if t < converged_s + 0.1 or affected else nodes // 10
        yield {
            "type": "sample",
            "t": t,
            "wall_s": t / 4,
            "converged_nodes": reached,
            "messages": messages,
            "bytes": 90 * messages,
            "events": 3 * messages,
        }
    outages = [DETECTION_S + rng.expovariate(25) * parameter for _ in range(flows)]
    for number, outage_s in enumerate(outages):
        yield {
            "type": "outage",
            "flow": [number % nodes, (number + 7) % nodes],
            "start": 5.0,
            "end": 5.0 + outage_s,
            "outage_s": outage_s,
            "after_detection_s": outage_s - DETECTION_S,
        }
    sent = {node: int((2_000 + 900 * graph.degree[node]) * rng.uniform(0.8, 1.25)) for node in graph}
    for node in graph:
        yield {
            "type": "node",
            "node": node,
            "degree": graph.degree[node],
            "bytes_sent": sent[node],
            "messages_sent": sent[node] // 90,
            "routes": nodes - 1,
        }
    yield {"type": "stretch", "values": [1.0 + max(0.0, rng.gauss(-0.02, 0.03)) for _ in range(500)]}
    yield {
        "type": "map",
        "positions": {str(node): place for node, place in graph.nodes(data="pos") if place is not None},
        "edges": [[a, b, graph.edges[a, b]["delay"], "cut" if (a, b) == cut else "up"] for a, b in links],
    }
    ordered = sorted(outages)
    after = [outage - DETECTION_S for outage in ordered]
    yield {
        "type": "summary",
        "nodes": nodes,
        "links": len(links),
        "converged_s": converged_s,
        "wall_s": 2.0,
        "events": 3 * messages,
        "messages": messages,
        "bytes_per_node": sum(sent.values()) / nodes,
        "loops": 0,
        "metric_mismatches": 0,
        "violations": 0,
        "peak_rss_mib": 120.5,
        "log_hash": f"{rng.getrandbits(64):016x}",
        "outage_s": spread(ordered),
        "after_detection_s": spread(after),
    }


def spread(ordered: list[float]) -> dict[str, float] | None:
    if not ordered:
        return None
    return {"median": ordered[len(ordered) // 2], "p99": ordered[-1], "max": ordered[-1]}


def run(spec: RunSpec) -> Iterator[dict[str, object]]:
    """Runs nothing, quickly."""
    scale = spec.parameters.get("scale", 1.0)
    yield from fake_records(
        topology=spec.topology, nodes=spec.nodes, seed=spec.seed, scenario=spec.scenario, parameter=scale
    )


def run_but_die_once(spec: RunSpec) -> Iterator[dict[str, object]]:
    """Takes its process down at the first try of each seed; the folder `marks` remembers the tries."""
    mark = Path(spec.parameters["marks"]) / f"tried-{spec.seed}"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    yield from run(spec)


def run_but_die_always(spec: RunSpec) -> Iterator[dict[str, object]]:
    """Takes its process down when the seed is 1."""
    if spec.seed == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    yield from run(spec)


def run_but_raise(spec: RunSpec) -> Iterator[dict[str, object]]:
    """Raises when the seed is 1."""
    if spec.seed == 1:
        raise ConfigError("seed 1 is not to my taste")
    yield from run(spec)


def run_with_loops(spec: RunSpec) -> Iterator[dict[str, object]]:
    """Says in its summary that a loop was seen."""
    yield {"type": "summary", "nodes": spec.nodes, "loops": 1, "violations": 1}


def run_for_ever(spec: RunSpec) -> Iterator[dict[str, object]]:
    """Ends only for seed 0."""
    if spec.seed:
        threading.Event().wait()
    yield from run(spec)


def run_telling_process(spec: RunSpec) -> Iterator[dict[str, object]]:
    """Says in its summary which process it ran in."""
    yield {"type": "summary", "process": os.getpid()}
