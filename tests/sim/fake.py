"""Runs that never ran: the records of a made-up simulation, for tests of reports and sweeps; nothing here simulates."""

import os
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from mycelium.errors import ConfigError
from sim.graphs.topology import make_topology
from sim.play.run import RunSpec

DETECTION_S = 0.2
CUT_S = 5.0
BROKEN_S = 0.3  # for so long after the cut a fifth of the nodes is wrong
TICK_S = 0.1
TICKS = 80
UPDATE_BYTES = 90

Record = dict[str, object]


class FakeRun:
    """A mesh that converges within 3 s, is cut at 5 s and repairs itself."""

    def __init__(self, topology: str, nodes: int, seed: int, *, flows: int, scale: float) -> None:
        rng = random.Random(f"fake/{seed}")
        self.nodes = nodes
        self.graph = make_topology(topology, nodes, seed)
        self.links = sorted(self.graph.edges)
        self.cut = self.links[len(self.links) // 2]
        self.converged_s = 2.0 + rng.random() * scale
        self.outages_s = [DETECTION_S + rng.expovariate(25) * scale for _ in range(flows)]
        degrees = self.graph.degree
        self.sent = {node: int((2_000 + 900 * degrees[node]) * rng.uniform(0.8, 1.25)) for node in self.graph}
        self.stretch = [1.0 + max(0.0, rng.gauss(-0.02, 0.03)) for _ in range(500)]
        self.log_hash = f"{rng.getrandbits(64):016x}"
        self.messages = 0

    def samples(self) -> Iterator[Record]:
        """Yields what was seen over time, and the cut."""
        for tick in range(TICKS + 1):
            t = tick * TICK_S
            if tick == round(CUT_S / TICK_S):
                yield {"type": "action", "t": t, "what": "cut", "link": list(self.cut), "silent": True}
            is_broken = CUT_S <= t < CUT_S + BROKEN_S
            is_busy = is_broken or t < self.converged_s + TICK_S
            self.messages += 40 * self.nodes if is_busy else self.nodes // 10
            right = min(self.nodes, int(self.nodes * (t / self.converged_s) ** 3))
            yield {
                "type": "sample",
                "t": t,
                "wall_s": t / 4,
                "converged_nodes": right - self.nodes // 5 * is_broken,
                "messages": self.messages,
                "bytes": UPDATE_BYTES * self.messages,
                "events": 3 * self.messages,
            }

    def outages(self) -> Iterator[Record]:
        """Yields what the cut did to each flow."""
        for number, outage_s in enumerate(self.outages_s):
            yield {
                "type": "outage",
                "flow": [number % self.nodes, (number + 7) % self.nodes],
                "start": CUT_S,
                "end": CUT_S + outage_s,
                "outage_s": outage_s,
                "after_detection_s": outage_s - DETECTION_S,
                "repair_s": outage_s - DETECTION_S,
            }

    def node_records(self) -> Iterator[Record]:
        """Yields what each node has sent."""
        for node, sent in self.sent.items():
            yield {
                "type": "node",
                "node": node,
                "degree": self.graph.degree[node],
                "bytes_sent": sent,
                "messages_sent": sent // UPDATE_BYTES,
                "routes": self.nodes - 1,
            }

    def traffic(self) -> Record:
        """Returns what nodes sent during an idle minute."""
        kinds = {"frames": 5.0, "digests": 2.5}
        return {"type": "traffic", "during": "idle", "s": 60.0, "mean": 7.5, "p99": 11.0, "max": 90.0, "kinds": kinds}

    def map(self) -> Record:
        """Returns where everything is."""
        states = {self.cut: "cut"}
        return {
            "type": "map",
            "positions": {str(node): place for node, place in self.graph.nodes(data="pos") if place is not None},
            "edges": [[*link, self.graph.edges[link]["delay"], states.get(link, "up")] for link in self.links],
        }

    def summary(self) -> Record:
        """Returns the last record."""
        ordered = sorted(self.outages_s)
        return {
            "type": "summary",
            "nodes": self.nodes,
            "links": len(self.links),
            "converged_s": self.converged_s,
            "wall_s": 2.0,
            "events": 3 * self.messages,
            "messages": self.messages,
            "bytes_per_node": sum(self.sent.values()) / self.nodes,
            "loops": 0,
            "metric_mismatches": 0,
            "violations": 0,
            "peak_rss_mib": 120.5,
            "log_hash": self.log_hash,
            "outage_s": spread(ordered),
            "detection_s": spread([DETECTION_S for _ in ordered]),
            "repair_s": spread([outage_s - DETECTION_S for outage_s in ordered]),
            "after_detection_s": spread([outage_s - DETECTION_S for outage_s in ordered]),
        }


def fake_records(
    *,
    topology: str = "ba",
    nodes: int = 60,
    seed: int = 1,
    scenario: str = "cut",
    flows: int = 40,
    parameter: float = 1.0,
) -> Iterator[Record]:
    """Yields the records of a `FakeRun`; `parameter` scales how long everything takes."""
    fake = FakeRun(topology, nodes, seed, flows=flows, scale=parameter)
    yield {
        "type": "run",
        "topology": topology,
        "nodes": nodes,
        "links": len(fake.links),
        "scenario": scenario,
        "seed": seed,
        "fidelity": "routing",
        "parameters": {"detection_s": DETECTION_S, "scale": parameter},
    }
    yield from fake.samples()
    yield fake.traffic()
    yield from fake.outages()
    yield from fake.node_records()
    yield {"type": "stretch", "values": fake.stretch}
    yield fake.map()
    yield fake.summary()


def spread(ordered: list[float]) -> dict[str, float] | None:
    """Returns the quantiles of ordered values as a summary has them."""
    if not ordered:
        return None
    return {"median": ordered[len(ordered) // 2], "p99": ordered[-1], "max": ordered[-1]}


def run(spec: RunSpec) -> Iterator[Record]:
    """Runs nothing, quickly."""
    scale = spec.parameters.get("scale", 1.0)
    yield from fake_records(
        topology=spec.topology, nodes=spec.nodes, seed=spec.seed, scenario=spec.scenario, parameter=scale
    )


def run_but_die_once(spec: RunSpec) -> Iterator[Record]:
    """Takes its process down at the first try of each seed; the folder `marks` remembers the tries."""
    mark = Path(spec.parameters["marks"]) / f"tried-{spec.seed}"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    yield from run(spec)


def run_but_die_always(spec: RunSpec) -> Iterator[Record]:
    """Takes its process down when the seed is 1."""
    if spec.seed == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    yield from run(spec)


def run_but_raise(spec: RunSpec) -> Iterator[Record]:
    """Raises when the seed is 1."""
    if spec.seed == 1:
        raise ConfigError("seed 1 is not to my taste")
    yield from run(spec)


def run_with_loops(spec: RunSpec) -> Iterator[Record]:
    """Says in its summary that a loop was seen."""
    yield {"type": "summary", "nodes": spec.nodes, "loops": 1, "violations": 1}


def run_for_ever(spec: RunSpec) -> Iterator[Record]:
    """Ends only for seed 0."""
    if spec.seed:
        threading.Event().wait()
    yield from run(spec)


def run_telling_process(spec: RunSpec) -> Iterator[Record]:
    """Says in its summary which process it ran in."""
    yield {"type": "summary", "process": os.getpid()}
