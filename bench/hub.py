"""What one daemon with many neighbours takes: to get them all, at rest, when many die, and when it starts again.

    ./dev bench hub --peers 1300

The neighbours are whole nodes of one process with a UDP socket each (`bench/support/crowd.py`), at addresses in as many
networks. Two more daemons have a link with the hub each; one pings the other through it, 50 times a second. All share this
machine's processors; as root.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from bench.support.machine import Machine
from bench.support.report import Row, print_table, progress, write_json_lines
from tests.lab.daemon import LabDaemon
from tests.lab.flood import allow_sources
from tests.lab.laboratory import Lab
from tests.lab.mesh import DaemonMesh
from tests.lab.ping import PingResult, Pings
from tests.lab.waiting import wait_until

COLUMNS: Final = ("measure", "value", "unit")
BYTES: Final = ("udp_sent_bytes", "udp_received_bytes")
PING_S: Final = 0.02
LOOK_S: Final = 0.25  # between two questions to the crowd
TRIES: Final = 5  # of each question to the API
KILLED: Final = 0.25  # of the neighbours
ASKED: Final[dict[str, Callable[[LabDaemon], object]]] = {
    "GET /admin/status": lambda hub: hub.get("admin/status"),
    "GET /admin/peers": lambda hub: hub.get("admin/peers"),
    "GET /admin/routes/selected": lambda hub: hub.get("admin/routes/selected"),
    "GET /admin/events": lambda hub: hub.get("admin/events"),
    "GET /metrics": lambda hub: hub.scrape(),
    "mycelium status": lambda hub: hub.cli("status"),
    "mycelium peers": lambda hub: hub.cli("peers"),
}


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=int, default=1_300)
    parser.add_argument("--seconds", type=float, default=20.0, help="of watching at rest")
    parser.add_argument(
        "--parts", nargs="*", choices=list(PARTS), default=list(PARTS), help="what comes after the start"
    )
    parser.add_argument("--settle", type=float, default=30.0, help="seconds before that")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds for all neighbours to be there")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where to write JSON lines; standard output otherwise"
    )
    given = parser.parse_args()
    machine = Machine()
    with Lab() as lab, tempfile.TemporaryDirectory() as directory:
        scene = Scene(lab, Path(directory), given)
        rows = scene.join()
        for part in given.parts:
            rows += PARTS[part](scene)
    machine.calibrate()
    print_table(rows, COLUMNS)
    print("\n".join(machine.report()))
    write_json_lines(rows, given.json)


class Scene:
    """A hub, two daemons at it, and a crowd."""

    def __init__(self, lab: Lab, directory: Path, given: argparse.Namespace) -> None:
        self._given = given
        mesh = DaemonMesh(lab, directory, [("a", "hub"), ("b", "hub"), ("x", "hub")], options=["--no-shortcuts"])
        crowd, cable = mesh.hosts["x"], mesh.cable("x", "hub")
        allow_sources(crowd, mesh.hosts["hub"], cable.end(crowd).ipv6)
        mesh.start(("hub", "a", "b"))
        mesh.wait_converged()
        self._one, self._other, self.hub = mesh["a"], mesh["b"], mesh["hub"]
        there = "--hub", cable.end(self.hub.host).ipv6, "--peers", str(given.peers)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._crowd = crowd.start(sys.executable, "-m", "bench.support.crowd", *there, **pipes)
        self._ask("state")  # it is ready
        self._memory = self.hub.rss_bytes()

    def _ask(self, *words: object) -> int:
        """Has the crowd do something, and returns how many links are up."""
        assert self._crowd.stdin is not None
        assert self._crowd.stdout is not None
        print(*words, file=self._crowd.stdin, flush=True)
        return int(json.loads(self._crowd.stdout.readline())["up"])

    def _wait_up(self, what: str, wanted: int) -> list[Row]:
        """Waits until the crowd has so many links, and returns how long half of them took, and all."""
        begin, half_s, told = time.monotonic(), 0.0, 0

        def are_up() -> bool:
            nonlocal half_s, told
            up = self._ask("state")
            if not half_s and 2 * up >= wanted:
                half_s = time.monotonic() - begin
            if up - told >= 100 or up < told:
                told = up
                progress(f"{what}: {up} of {wanted} after {time.monotonic() - begin:.1f} s")
            return up >= wanted

        wait_until(are_up, self._given.patience, f"{wanted} links are up", every_s=LOOK_S)
        return [
            _row(f"{what}: half of the links are up after", half_s, "s"),
            _row(f"{what}: all of them after", time.monotonic() - begin, "s"),
        ]

    def _watched(self, what: str, act: Callable[[], list[Row]]) -> list[Row]:
        """Returns what something took, besides what it says itself."""
        pings, before, begin = self._pings(), self.hub.cpu_seconds(), time.monotonic()
        rows = act()
        spent, taken = time.monotonic() - begin, self.hub.cpu_seconds() - before
        share = _row(f"{what}: processor of the hub", taken, "s"), _row(f"{what}: that is", 100 * taken / spent, "%")
        return [*rows, *share, *_ping_rows(what, pings.finish())]

    def _pings(self) -> Pings:
        return Pings(self._one.host, self._other.address, interval=PING_S)

    def join(self) -> list[Row]:
        """All neighbours dial the hub at once."""
        count = self._given.peers
        self._ask("join", count)
        rows = self._watched("join", lambda: self._wait_up("join", count))
        grown = self.hub.rss_bytes()
        return [
            *rows,
            _row("memory before", self._memory / (1 << 20), "MiB"),
            _row("memory with all links", grown / (1 << 20), "MiB"),
            _row("memory of a link", (grown - self._memory) / count / 1024, "KiB"),
        ]

    def rest(self) -> list[Row]:
        """Nothing happens, and an operator asks."""
        time.sleep(self._given.settle)
        seconds = self._given.seconds

        def watch() -> list[Row]:
            before = self.hub.counters()
            time.sleep(seconds)
            after = self.hub.counters()
            return [_row(f"rest: {name}", (after[name] - before[name]) / seconds, "B/s") for name in BYTES]

        rows = self._watched("rest", watch)
        return [*rows, *(_row(f"rest: {name}", _slowest_s(self.hub, ask), "s") for name, ask in ASKED.items())]

    def stall(self) -> list[Row]:
        """The hub gets no processor until all neighbours miss it."""
        with self.hub.frozen():
            wait_until(lambda: not self._ask("state"), self._given.patience, "all miss the hub", every_s=LOOK_S)
        return self._watched("stopped", lambda: self._wait_up("stopped", self._given.peers))

    def kill(self) -> list[Row]:
        """A quarter of the neighbours dies at once, and is back once all others know."""
        count = self._given.peers
        killed = round(KILLED * count)

        def have_gone() -> list[Row]:
            begin = time.monotonic()
            self._ask("kill", killed)
            left = count - killed + 2
            wait_until(lambda: len(self.hub.alive_peers()) <= left, self._given.patience, "they are missed")
            return [_row(f"{killed} are killed: all of them missed after", time.monotonic() - begin, "s")]

        rows = self._watched(f"{killed} are killed", have_gone)
        self._ask("join", count)
        return [*rows, *self._watched("they are back", lambda: self._wait_up("they are back", count))]

    def restart(self) -> list[Row]:
        """The hub is killed, and started again."""
        begin = time.monotonic()
        self.hub.kill()
        self.hub.start()
        self.hub.wait_ready()
        ready_s = time.monotonic() - begin
        rows = self._watched("restart", lambda: self._wait_up("restart", self._given.peers))
        return [_row("restart: the hub answers its operator after", ready_s, "s"), *rows]


PARTS: Final[dict[str, Callable[[Scene], list[Row]]]] = {
    "rest": Scene.rest,
    "stall": Scene.stall,
    "kill": Scene.kill,
    "restart": Scene.restart,
}


def _slowest_s(hub: LabDaemon, ask: Callable[[LabDaemon], object]) -> float:
    slowest = 0.0
    for _ in range(TRIES):
        begin = time.monotonic()
        ask(hub)
        slowest = max(slowest, time.monotonic() - begin)
    return slowest


def _ping_rows(what: str, result: PingResult) -> list[Row]:
    lost = _row(f"{what}: pings lost", 100 * (1 - result.received / max(result.sent, 1)), "%")
    trips = result.round_trips_ms
    if not trips:
        return [lost]
    return [_row(f"{what}: ping, median", median(trips), "ms"), _row(f"{what}: ping, longest", max(trips), "ms"), lost]


def _row(measure: str, value: float, unit: str) -> Row:
    return {"measure": measure, "value": round(value, 3), "unit": unit}


if __name__ == "__main__":
    main()
