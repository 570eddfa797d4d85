"""For how long are pings lost when the link under them is cut without a word?

    python -m bench.heal --runs 10

A square of four hosts; pings go every 10 ms between two neighbours, their link is cut silently (its carrier stays up), and
packets find the way round by the two others. Also: how long until the first ping through a relay after the last of three
daemons has started. As root: hosts are network namespaces of this machine.
"""

import argparse
import contextlib
import socket
import struct
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.report import Row, print_table, progress, summary, write_json_lines
from tests.support.mesh import Mesh, line, ring
from tests.support.namespaces import Host, Lab
from tests.support.ping import Pings, ping
from tests.support.waiting import wait_until

COLUMNS: Final = ("measure", "median", "least", "most", "unit", "runs")
SETTLED_SECONDS: Final = 2.0  # of pings before the cut
ECHO_REQUEST: Final = struct.pack("!BBHHH", 128, 0, 0, 7, 1)
ECHO_REPLY: Final = 129


def outage(lab: Lab, directory: Path) -> float:
    """Returns the seconds between the last answer before a cut and the first after it."""
    mesh = Mesh(lab, directory, ring("a", "b", "c", "d"))
    mesh.start()
    mesh.wait_converged()
    host, address = mesh["a"].host, mesh["b"].address
    wait_until(lambda: ping(host, address, wait=1).received, 10, "the first ping is answered")
    pings = Pings(host, address)
    time.sleep(SETTLED_SECONDS)
    mesh.link("a", "b").cut()
    wait_until(lambda: ping(host, address, count=10, interval=0.01, wait=1).received == 10, 60, "it heals")
    return pings.finish().outage_s


def first_ping(lab: Lab, directory: Path) -> float:
    """Returns the seconds from the start of the last daemon to the first answer through it."""
    mesh = Mesh(lab, directory, line("a", "relay", "b"))
    mesh.start(["relay", "b"])
    mesh["a"].start()
    begin = time.monotonic()
    _wait_for_answer(mesh["a"].host, mesh["b"].address)
    return time.monotonic() - begin


def _wait_for_answer(host: Host, address: str) -> None:
    """Pings every 10 ms from the moment there is a device to ping by."""
    with host.entered():
        icmp = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    deadline = time.monotonic() + 60
    with icmp:
        icmp.settimeout(0.01)
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError, OSError):
                icmp.sendto(ECHO_REQUEST, (address, 0))
                while icmp.recv(2_000)[0] != ECHO_REPLY:
                    continue
                return
            time.sleep(0.001)
    raise AssertionError("no answer within 60 s")


MEASURES: Final = {"outage after a silent cut in a square": outage, "start to first ping through a relay": first_ping}


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where to write JSON lines; standard output otherwise"
    )
    given = parser.parse_args()
    rows: list[Row] = []
    for name, take in MEASURES.items():
        values = []
        for run in range(given.runs):
            with Lab() as lab, tempfile.TemporaryDirectory() as directory:
                values.append(take(lab, Path(directory)))
            progress(f"run {run + 1} of {given.runs}: {name}: {values[-1]:.3f} s")
        rows.append({"measure": name, "unit": "s", **summary(values)})
    print_table(rows, COLUMNS)
    write_json_lines(rows, given.json)


if __name__ == "__main__":
    main()
