"""What idle daemons cost: processor time, memory and bytes on the wire.

    ./dev bench idle --nodes 20 --seconds 60

A random graph of one and a half edges a node, in network namespaces of this machine; as root.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.support.report import Row, print_table, progress, summary, write_json_lines
from tests.lab.laboratory import Lab
from tests.lab.mesh import DaemonMesh, random_graph

COLUMNS: Final = ("measure", "median", "least", "most", "unit", "runs")


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30.0, help="of watching")
    parser.add_argument("--settle", type=float, default=10.0, help="seconds between convergence and watching")
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
    mesh = DaemonMesh(lab, directory, random_graph(given.nodes, given.nodes * 3 // 2, given.seed))
    begin = time.monotonic()
    mesh.start()
    mesh.wait_converged(120)
    progress(f"{given.nodes} daemons started and converged in {time.monotonic() - begin:.1f} s")
    time.sleep(given.settle)
    before = _readings(mesh)
    begin = time.monotonic()
    time.sleep(given.seconds)
    spent = time.monotonic() - begin
    after = _readings(mesh)
    cpu = [100 * (late[0] - early[0]) / spent for early, late in zip(before, after, strict=True)]
    sent = [(late[1] - early[1]) / spent for early, late in zip(before, after, strict=True)]
    memory = [daemon.rss_bytes() / (1 << 20) for daemon in mesh.daemons.values()]
    return [
        {"measure": "processor, each", "unit": "% of a core", **summary(cpu)},
        {"measure": "memory, each", "unit": "MiB", **summary(memory)},
        {"measure": "UDP payload sent, each", "unit": "B/s", **summary(sent)},
    ]


def _readings(mesh: DaemonMesh) -> list[tuple[float, int]]:
    """Returns seconds of processor time and bytes sent, for each daemon."""
    return [(daemon.cpu_seconds(), daemon.counters()["udp_sent_bytes"]) for daemon in mesh.daemons.values()]


if __name__ == "__main__":
    main()
