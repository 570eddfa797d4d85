"""What one daemon with many neighbours takes: to get them all, at rest, and to have them back after whatever may happen.

    ./dev bench hub --peers 1300
    ./dev bench hub --peers 400 --parts flap stall --lasting 1 30

The neighbours are whole nodes of one process with a UDP socket each (`bench/support/crowd.py`), at addresses in as many
networks. Two more daemons have a link with the hub each; one pings the other through it, 50 times a second. All share this
machine's processors; as root.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
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
OF_THE_HUB: Final = (
    "handshakes_accepted",
    "handshakes_sent_a_cookie",
    "handshakes_over_budget",
    "handshakes_refused",
    "links_refused",
    "udp_strangers_paused",
    "udp_strangers_crowded_out",
    "routing_resumed",
    "routing_updates_sent",
    "routing_updates_received",
)
OF_THE_CROWD: Final = {
    "suspected": "links suspected by neighbours",
    "down": "links given up by neighbours",
    "dialled": "first messages of neighbours",
    "most": "first messages of neighbours, most in a second",
    "dialled_by_hub": "first messages of the hub",
}
PING_S: Final = 0.02
LOOK_S: Final = 0.25  # between two questions to the crowd
LOOK_HUB_S: Final = 1.0  # between two questions to the hub, each of which takes it a tenth of a second
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
    parser.add_argument(
        "--after", type=float, default=10.0, help="seconds for which links are watched once all are back"
    )
    parser.add_argument("--lasting", type=float, nargs="*", default=[3.0, 10.0, 40.0], help="seconds of stall and flap")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds for all neighbours to be there")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where to write JSON lines; standard output otherwise"
    )
    given = parser.parse_args()
    machine = Machine()
    with Lab() as lab, tempfile.TemporaryDirectory() as directory:
        scene = Scene(lab, Path(directory), given)
        rows: list[Row] = []
        try:
            for part in (Scene.join, *(PARTS[name] for name in given.parts)):
                rows += part(scene)
        finally:  # also what there is of a run that fails
            print_table(rows, COLUMNS)
    machine.calibrate()
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
        self._cable = cable
        self._crowd = crowd.start(sys.executable, "-m", "bench.support.crowd", *there, **pipes)
        self._ask("state")  # it is ready
        self._memory = self.hub.rss_bytes()

    def _tell(self, *words: object) -> dict[str, int]:
        """Has the crowd do something, and returns its answer."""
        assert self._crowd.stdin is not None
        assert self._crowd.stdout is not None
        print(*words, file=self._crowd.stdin, flush=True)
        return dict(json.loads(self._crowd.stdout.readline()))

    def _ask(self, *words: object) -> int:
        """Has the crowd do something, and returns how many links are up."""
        return self._tell(*words)["up"]

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
            _row("half of the links are up after", half_s, "s"),
            _row("all of them after", time.monotonic() - begin, "s"),
        ]

    def _watched(self, what: str, act: Callable[[], list[Row]]) -> list[Row]:
        """Returns what something took, besides what it says itself; the hub may be another process afterwards."""
        self._tell("take")
        pings, hub, begin = self._pings(), self.hub, time.monotonic()
        pid, before, counted = hub.pid, hub.cpu_seconds(), hub.counters()
        rows = act()
        spent, is_same = time.monotonic() - begin, hub.pid == pid
        taken, counters = hub.cpu_seconds() - is_same * before, hub.counters()
        rows += [_row("processor of the hub", taken, "s"), _row("that is", 100 * taken / spent, "%")]
        grown = {f"hub: {name}": counters[name] - is_same * counted[name] for name in OF_THE_HUB}
        seen = self._tell("take")
        counts = grown | {words: seen[name] for name, words in OF_THE_CROWD.items()}
        rows += [_row(name, count, "") for name, count in counts.items() if count]
        rows += _ping_rows(pings.finish())
        return [{**row, "measure": f"{what}: {row['measure']}"} for row in rows]

    def _restored(self, what: str, act: Callable[[], object]) -> list[Row]:
        """Returns how long all links take to be back after something, what that took, and what links do afterwards."""

        def lose_and_wait() -> list[Row]:
            act()
            return self._wait_up(what, self._given.peers)

        def look_on() -> list[Row]:
            time.sleep(self._given.after)
            return [_row("links up at the end", self._ask("state"), "")]

        return [*self._watched(what, lose_and_wait), *self._watched(f"after {what}", look_on)]

    def _pings(self) -> Pings:
        return Pings(self._one.host, self._other.address, interval=PING_S)

    def join(self) -> list[Row]:
        """All neighbours dial the hub at once."""
        count = self._given.peers
        rows = self._watched("join", lambda: self._join("join"))
        grown = self.hub.rss_bytes()
        return [
            *rows,
            _row("memory before", self._memory / (1 << 20), "MiB"),
            _row("memory with all links", grown / (1 << 20), "MiB"),
            _row("memory of a link", (grown - self._memory) / count / 1024, "KiB"),
        ]

    def _join(self, what: str) -> list[Row]:
        self._ask("join", self._given.peers)
        return self._wait_up(what, self._given.peers)

    def rest(self) -> list[Row]:
        """Nothing happens, and an operator asks."""
        time.sleep(self._given.settle)
        seconds = self._given.seconds

        def watch() -> list[Row]:
            before = self.hub.counters()
            time.sleep(seconds)
            after = self.hub.counters()
            return [_row(name, (after[name] - before[name]) / seconds, "B/s") for name in BYTES]

        rows = self._watched("rest", watch)
        return [*rows, *(_row(f"rest: {name}", _slowest_s(self.hub, ask), "s") for name, ask in ASKED.items())]

    def stall(self) -> list[Row]:
        """The hub gets no processor for a while."""
        return self._each_time("the hub stops for", self.hub.frozen)

    def crowd_stall(self) -> list[Row]:
        """The process of the neighbours gets none."""
        return self._each_time("the neighbours stop for", self._frozen_crowd)

    def flap(self) -> list[Row]:
        """The cable to the neighbours is unplugged for a while."""
        return self._each_time("the cable fails for", self._unplugged)

    def _each_time(self, what: str, spell: Callable[[], contextlib.AbstractContextManager[None]]) -> list[Row]:
        rows: list[Row] = []
        for seconds in self._given.lasting:

            def last(seconds: float = seconds) -> None:
                with spell():
                    time.sleep(seconds)

            rows += self._restored(f"{what} {seconds:g} s", last)
        return rows

    @contextlib.contextmanager
    def _frozen_crowd(self) -> Iterator[None]:
        os.kill(self._crowd.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._crowd.pid, signal.SIGCONT)

    @contextlib.contextmanager
    def _unplugged(self) -> Iterator[None]:
        self._cable.set_carrier(up=False)
        try:
            yield
        finally:
            self._cable.set_carrier(up=True)

    def kill(self) -> list[Row]:
        """A quarter of the neighbours dies at once, and is back once all others know."""
        count = self._given.peers
        killed = round(KILLED * count)

        def have_gone() -> list[Row]:
            begin = time.monotonic()
            self._ask("kill", killed)
            left = count - killed + 2
            wait_until(lambda: len(self.hub.alive_peers()) <= left, self._given.patience, "they are missed")
            return [_row("all of them missed after", time.monotonic() - begin, "s")]

        rows = self._watched(f"{killed} are killed", have_gone)
        return [*rows, *self._watched("they are back", lambda: self._join("they are back"))]

    def stop(self) -> list[Row]:
        """The hub is stopped, and started again."""
        return self._restart("a clean stop", self.hub.stop)

    def restart(self) -> list[Row]:
        """The hub is killed, and started again."""
        return self._restart("kill -9", self.hub.kill)

    def _restart(self, what: str, end: Callable[[], object]) -> list[Row]:
        moments = [time.monotonic()]

        def end_and_start() -> None:
            moments[0] = time.monotonic()
            end()
            moments.append(time.monotonic())
            self.hub.start()
            self.hub.wait_ready()
            moments.append(time.monotonic())
            neighbours = self._given.peers + 2  # those who have not missed it yet have links with the one before
            wait_until(
                lambda: len(self.hub.alive_peers()) >= neighbours, self._given.patience, "all links", every_s=LOOK_HUB_S
            )
            moments.append(time.monotonic())

        rows = self._restored(what, end_and_start)
        begin, ended, ready, linked = moments
        return [
            _row(f"{what}: the process ends after", ended - begin, "s"),
            _row(f"{what}: its next one answers its operator after", ready - ended, "s"),
            _row(f"{what}: and has all links after", linked - ready, "s"),
            *rows,
        ]


PARTS: Final[dict[str, Callable[[Scene], list[Row]]]] = {
    "rest": Scene.rest,
    "stall": Scene.stall,
    "crowd-stall": Scene.crowd_stall,
    "flap": Scene.flap,
    "kill": Scene.kill,
    "stop": Scene.stop,
    "restart": Scene.restart,
}


def _slowest_s(hub: LabDaemon, ask: Callable[[LabDaemon], object]) -> float:
    slowest = 0.0
    for _ in range(TRIES):
        begin = time.monotonic()
        ask(hub)
        slowest = max(slowest, time.monotonic() - begin)
    return slowest


def _ping_rows(result: PingResult) -> list[Row]:
    lost = _row("pings lost", 100 * (1 - result.received / max(result.sent, 1)), "%")
    trips = result.round_trips_ms
    if not trips:
        return [lost]
    return [
        _row("ping, median", median(trips), "ms"),
        _row("ping, longest", max(trips), "ms"),
        _row("longest without an answer", result.outage_s, "s"),
        lost,
    ]


def _row(measure: str, value: float, unit: str) -> Row:
    return {"measure": measure, "value": round(value, 3), "unit": unit}


if __name__ == "__main__":
    main()
