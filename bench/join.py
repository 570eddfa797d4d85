"""How long does a node take into its mesh from a place that blocks things, and back to UDP once that is let through?

    ./dev bench join --runs 5
    ./dev bench join --runs 1 --cases proxy

`start_s` is the time from the start of the daemon to the first ping that its hub answers: where UDP is dropped, so over TCP;
and in a network whose only way out is an HTTP proxy, which connects to port 443 alone. `back_s` is the time from when the
firewall lets UDP through to when the link uses it, with a ping each 10 ms meanwhile, of which `lost` are not answered. By an
invitation, into a private network, `start_s` is from the command `join` on, which has what it needs after `joined_s`. As root:
hosts are network namespaces of this machine.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.support.report import Row, print_table, progress, summary, write_json_lines
from tests.lab import places
from tests.lab.daemon import PORT, PROGRAM, LabDaemon, start_all
from tests.lab.laboratory import Lab, remove_leftovers
from tests.lab.ping import Pings, answers
from tests.lab.places import HUB, PROXY, PROXY_PORT, Place
from tests.lab.waiting import wait_until

COLUMNS: Final = ("case", "measure", "least", "median", "most", "runs")
LISTEN: Final = ("--listen", f"udp://[::]:{PORT}", f"tcp://[::]:{PORT}", "tcp://[::]:443")
SECONDS: Final = 60.0
QUIET_S: Final = 1.0  # of pings before the firewall opens, and after the link has moved

Figures = dict[str, float]


def measure_blocked_udp(lab: Lab, directory: Path) -> Figures:
    """Starts a node where UDP is dropped, and lets it through later."""
    place = places.without_udp(lab)
    assert place.router is not None
    hub, node, start_s = _start(lab, place, directory, ["--peers", f"{HUB}:{PORT}"])
    with Pings(node.host, hub.address) as pings:
        time.sleep(QUIET_S)
        opened = time.monotonic()
        place.router.let_all_out()
        wait_until(lambda: _is_by_udp(node, hub), SECONDS, "the link uses UDP")
        back_s = time.monotonic() - opened
        time.sleep(QUIET_S)
        result = pings.finish()
    return {"start_s": start_s, "back_s": back_s, "lost": result.sent - result.received}


def measure_proxy(lab: Lab, directory: Path) -> Figures:
    """Starts a node behind an HTTP proxy."""
    way = ["--proxy", f"http://{PROXY}:{PROXY_PORT}", "--peers", f"tls://{HUB}:443"]
    return {"start_s": _start(lab, places.company(lab), directory, way)[2]}


def measure_invitation(lab: Lab, directory: Path) -> Figures:
    """Has a node join a private network by an invitation, and then starts it."""
    place = places.home(lab)
    network_key = directory / "corp"
    place.hub.run(PROGRAM, "generate-network-key", network_key)
    hub = LabDaemon(place.hub, directory, options=["--network-key-file", str(network_key), "--network-name", "corp"])
    config_file = directory / "mycelium.toml"
    node = LabDaemon(place.host, directory, options=["--config-file", str(config_file)])
    lab.daemons += [hub, node]
    start_all([hub])
    invitation = hub.cli("invite", "--at", f"{HUB}:{PORT}", "--name", "laptop")["uri"]
    files = ("--config-file", str(config_file), "--key-file", str(node.key_file))
    started = time.monotonic()
    place.host.run(PROGRAM, "join", invitation, *files)
    joined_s = time.monotonic() - started
    node.start()
    wait_until(lambda: answers(node.host, hub.address), SECONDS, "the hub answers")
    return {"joined_s": joined_s, "start_s": time.monotonic() - started}


CASES: Final[dict[str, Callable[[Lab, Path], Figures]]] = {
    "blocked-udp": measure_blocked_udp,
    "proxy": measure_proxy,
    "invitation": measure_invitation,
}


def _start(lab: Lab, place: Place, directory: Path, options: list[str]) -> tuple[LabDaemon, LabDaemon, float]:
    """Starts the hub and then the node; returns both, and the time from the node's start to the hub's first answer."""
    hub = LabDaemon(place.hub, directory, options=LISTEN)
    node = LabDaemon(place.host, directory, options=options)
    lab.daemons += [hub, node]
    start_all([hub])
    started = time.monotonic()
    node.start()
    wait_until(lambda: answers(node.host, hub.address), SECONDS, "the hub answers")
    return hub, node, time.monotonic() - started


def _is_by_udp(node: LabDaemon, hub: LabDaemon) -> bool:
    return any(
        peer["publicKey"] == hub.public_key and peer["endpoint"]["scheme"] == "udp" for peer in node.get("admin/peers")
    )


def main() -> None:
    """Measures and reports the ranges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where to write JSON lines; standard output otherwise"
    )
    given = parser.parse_args()
    remove_leftovers()
    rows: list[Row] = []
    for case in given.cases:
        found: dict[str, list[float]] = {}
        for run in range(given.runs):
            with Lab() as lab, tempfile.TemporaryDirectory() as directory:
                figures = CASES[case](lab, Path(directory))
            progress(f"{case}, {run + 1} of {given.runs}: {figures}")
            for what, value in figures.items():
                found.setdefault(what, []).append(value)
        rows += [{"case": case, "measure": what} | summary(values) for what, values in found.items()]
    print_table(rows, COLUMNS)
    write_json_lines(rows, given.json)


if __name__ == "__main__":
    main()
