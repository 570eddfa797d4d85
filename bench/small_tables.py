"""A mesh of daemons that is larger than their tables: who reaches whom, how soon, over how long ways, and what that takes.

    ./dev bench small_tables --nodes 60 --routes 8

A random graph of one and a half edges a node whose cables have 10 to 40 ms, in network namespaces of this machine; as root.
The nodes with the most links are landmarks. With `--full` some daemons keep all routes. Ways are compared with the shortest
one that cables allow; those of pairs with a route show what relays and this machine add.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import networkx

from bench.support.report import Row, print_table, progress, summary, write_json_lines
from tests.lab.cable_emulator import CableTraits
from tests.lab.laboratory import Lab
from tests.lab.mesh import DaemonMesh, Edge, random_graph
from tests.lab.ping import PingResult, ping
from tests.lab.waiting import wait_until

COLUMNS: Final = ("measure", "median", "least", "most", "unit", "runs")
DELAY_S: Final = (0.01, 0.04)  # of a cable, one way
PINGS: Final = 24  # of each pair, half a second apart: the ends look for a nearer waypoint after some 7 s
APART_S: Final = 0.5
AT_ONCE: Final = 20  # pairs that ping at a time
EARLY: Final = slice(2, 8)  # pings by way of the home,
LATE: Final = slice(-6, None)  # and where both ends have met
WAIT_S: Final = 5
HOMES_S: Final = 180.0  # until all have their homes


class Trip(NamedTuple):
    """The pings of one pair, and the shortest round trip that there is."""

    has_route: bool
    result: PingResult
    shortest_ms: float

    @property
    def is_whole(self) -> bool:
        """Whether every ping was answered."""
        return self.result.received == self.result.sent and len(self.result.round_trips_ms) == PINGS

    def stretch(self, which: slice) -> float:
        """Returns how much longer the median of some round trips was than the shortest."""
        return statistics.median(self.result.round_trips_ms[which]) / self.shortest_ms


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=60)
    parser.add_argument("--routes", type=int, default=8, help="that a daemon keeps to its nearest")
    parser.add_argument("--full", type=int, default=0, help="daemons that keep all routes")
    parser.add_argument("--landmarks", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where to write JSON lines; standard output otherwise"
    )
    given = parser.parse_args()
    with Lab() as lab, tempfile.TemporaryDirectory() as directory:
        rows = _measure(lab, Path(directory), given)
    print_table(rows, COLUMNS)
    write_json_lines(rows, given.json)


def _measure(lab: Lab, directory: Path, given: argparse.Namespace) -> list[Row]:
    edges = random_graph(given.nodes, given.nodes * 3 // 2, given.seed)
    rng = random.Random(given.seed)
    delays_s = [rng.uniform(*DELAY_S) for _ in edges]
    mesh = DaemonMesh(
        lab, directory, edges, options=["--no-shortcuts"], traits=[CableTraits(delay_s=delay_s) for delay_s in delays_s]
    )
    links = Counter(name for edge in edges for name in edge)
    landmarks = {name for name, _ in links.most_common(given.landmarks)}
    full = set(rng.sample(sorted(links), given.full))
    for name, daemon in mesh.daemons.items():
        daemon.options += ["--landmark", "yes" if name in landmarks else "no"]
        daemon.options += [] if name in full else ["--routes", str(given.routes)]
    begin = time.monotonic()
    mesh.start()
    wait_until(lambda: all(_is_at_home(mesh, name) for name in links), HOMES_S, "all have homes", every_s=1.0)
    progress(f"{given.nodes} daemons have homes after {time.monotonic() - begin:.1f} s; landmarks {sorted(landmarks)}")
    time.sleep(APART_S)
    routes = {name: daemon.reachable_subnets() for name, daemon in mesh.daemons.items()}
    trips = _pinged(mesh, routes, _shortest_s(edges, delays_s), given.pairs, rng)
    return [*_of_trips(trips), *_of_daemons(mesh, routes, full)]


def _is_at_home(mesh: DaemonMesh, name: str) -> bool:
    """Tells whether a node has a home, or keeps all routes."""
    status = mesh[name].get("admin/status")
    return bool(status["home"]) or status["routes"] == len(mesh.daemons) - 1


def _shortest_s(edges: list[Edge], delays_s: list[float]) -> dict[str, dict[str, float]]:
    graph = networkx.Graph()
    graph.add_weighted_edges_from((one, other, delay_s) for (one, other), delay_s in zip(edges, delays_s, strict=True))
    return dict(networkx.all_pairs_dijkstra_path_length(graph))


def _pinged(
    mesh: DaemonMesh,
    routes: dict[str, set[str]],
    shortest_s: dict[str, dict[str, float]],
    pairs: int,
    rng: random.Random,
) -> list[Trip]:
    """Pings between random pairs of nodes, some at a time."""

    def trip(pair: tuple[str, str]) -> Trip:
        one, other = (mesh[name] for name in pair)
        result = ping(one.host, other.address, count=PINGS, interval=APART_S, wait=WAIT_S)
        return Trip(other.subnet in routes[one.name], result, 2e3 * shortest_s[pair[0]][pair[1]])

    chosen = [tuple(rng.sample(sorted(mesh.daemons), 2)) for _ in range(pairs)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(trip, [(one, other) for one, other in chosen]))


def _of_trips(trips: list[Trip]) -> list[Row]:
    rows: list[Row] = []
    for has_route, whose in ((False, "without a route"), (True, "with a route")):
        its = [trip for trip in trips if trip.has_route is has_route]
        whole = [trip for trip in its if trip.is_whole]
        lost = sum(trip.result.sent - trip.result.received for trip in its)
        rows.append({"measure": f"pings lost of {len(its)} pairs {whose}", "median": lost, "unit": f"of {PINGS} each"})
        if whole:
            first = [trip.result.round_trips_ms[0] for trip in whole]
            rows += [
                {"measure": f"first ping {whose}", "unit": "ms", **summary(first)},
                *(
                    {
                        "measure": f"{when}, times the shortest",
                        "unit": "",
                        **summary([one.stretch(at) for one in whole]),
                    }
                    for when, at in ((f"then {whose}", EARLY), (f"8 s later {whose}", LATE))
                ),
            ]
    return rows


def _of_daemons(mesh: DaemonMesh, routes: dict[str, set[str]], full: set[str]) -> list[Row]:
    small = [name for name in routes if name not in full]
    counters = [mesh[name].counters() for name in small]
    memory = [mesh[name].rss_bytes() / (1 << 20) for name in small]
    return [
        {"measure": "routes", "unit": "", **summary([len(routes[name]) for name in small])},
        *(
            {"measure": "routes of full tables", "unit": "", **summary([len(routes[name])])}
            for name in sorted(full)[:1]
        ),
        {"measure": "pinned nodes", "unit": "", **summary([one["routing_pins"] for one in counters])},
        {"measure": "look-ups", "unit": "", **summary([one["lookups"] for one in counters])},
        {"measure": "memory", "unit": "MiB", **summary(memory)},
        {"measure": "processor", "unit": "s", **summary([mesh[name].cpu_seconds() for name in small])},
    ]


if __name__ == "__main__":
    main()
