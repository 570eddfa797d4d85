"""Records what the daemons of a mesh report, second by second, and counts events."""

import contextlib
import http.client
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Final

from bench.support.report import progress
from tests.lab.daemon import LabDaemon
from tests.lab.mesh import DaemonMesh, Edge

JOURNAL_SECONDS: Final = 5  # between readings; at its highest rate of entries the journal holds the last 16 s
TOLD_SECONDS: Final = 30
MINUTE_S: Final = 60.0

Record = dict[str, Any]


class Recorder:
    """Watches a mesh. `events` are entries of all journals, `samples` each node's view of its links; both by nodes' names."""

    def __init__(self, mesh: DaemonMesh, edges: Sequence[Edge]) -> None:
        self.events: list[Record] = []
        self.samples: list[Record] = []
        self.unanswered: list[str] = []  # names of daemons, once per request without an answer
        self.pushed_out: list[int] = []  # entries that had left a journal before they were read
        self._daemons = list(mesh.daemons.values())
        self._edges = edges
        self._names = {daemon.address: daemon.name for daemon in self._daemons}
        self._read = {daemon.name: self._newest(daemon) for daemon in self._daemons}
        self._begin = 0.0  # Unix seconds

    def watch(self, seconds: float) -> None:
        """Samples each daemon once a second for this time, staggered, and reads the journals."""
        self._begin = time.time()
        begin = time.monotonic()
        with ThreadPoolExecutor(len(self._daemons)) as pool:
            watches = [
                pool.submit(self._watch, daemon, begin + number / len(self._daemons), int(seconds))
                for number, daemon in enumerate(self._daemons)
            ]
            while wait(watches, TOLD_SECONDS).not_done:
                kinds = Counter(event["kind"] for event in self.events)
                happened = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
                progress(f"{time.monotonic() - begin:.0f} of {seconds:g} s: {happened or 'nothing happened'}")
        for watched in watches:
            watched.result()

    def _watch(self, daemon: LabDaemon, begin: float, seconds: int) -> None:
        for second in range(seconds):
            time.sleep(max(0.0, begin + second - time.monotonic()))
            self.samples.extend(self._sample(daemon))
            if second % JOURNAL_SECONDS == 0 or second == seconds - 1:
                self.events.extend(self._read_journal(daemon))

    def write_trace(self, path: Path, *, every_s: int) -> None:
        """Writes `time_s,link,rtt_ms`, a row for each link and `every_s` seconds, as the end saw it that dialled."""
        dialled = {(one, other): f"{one}-{other}" for one, other in self._edges}
        lines = ["time_s,link,rtt_ms"]
        due: dict[str, int] = {}
        for sample in self.samples:
            link = dialled.get((sample["at"], sample["neighbour"]))
            second = round(sample["time"])
            if link is None or sample["wire_rtt_ms"] is None or second < due.get(link, 0):
                continue
            due[link] = second - second % every_s + every_s
            lines.append(f"{second},{link},{sample['wire_rtt_ms']:.2f}")
        path.write_text("\n".join(lines) + "\n")

    def write_log(self, path: Path) -> None:
        """Writes all events and samples as JSON lines, in the order of time."""
        records = sorted([*self.events, *self.samples], key=lambda record: record["time"])
        path.write_text("".join(f"{json.dumps(record)}\n" for record in records))

    def count(self, kind: str) -> int:
        """Returns how many events of a kind there were."""
        return sum(event["kind"] == kind for event in self.events)

    def _sample(self, daemon: LabDaemon) -> list[Record]:
        now = time.time()
        try:
            peers = daemon.get("admin/peers")
        except (OSError, http.client.HTTPException):
            self.unanswered.append(daemon.name)
            return []
        return [
            {
                "time": round(now - self._begin, 3),
                "at": daemon.name,
                "neighbour": self._names[peer["address"]],
                "rtt_ms": peer.get("rttMs"),
                "wire_rtt_ms": peer.get("wireRttMs"),
                "cost": peer.get("cost"),
                "loss": peer.get("loss"),
            }
            for peer in peers
            if peer.get("address") in self._names
        ]

    def _read_journal(self, daemon: LabDaemon) -> list[Record]:
        after = self._read[daemon.name]
        with contextlib.suppress(OSError, http.client.HTTPException):  # the next reading catches up
            events = [self._event(daemon, event) for event in daemon.get(f"admin/events?after={after}")]
            if events:
                self._read[daemon.name] = events[-1]["sequence"]
                self.pushed_out.append(events[0]["sequence"] - after - 1)
            return events
        return []

    def _event(self, daemon: LabDaemon, event: Record) -> Record:
        named = {
            key: self._names.get(value, value) if isinstance(value, str) else value for key, value in event.items()
        }
        return {**named, "time": round(event["time"] - self._begin, 3), "at": daemon.name}

    def _newest(self, daemon: LabDaemon) -> int:
        return max((event["sequence"] for event in daemon.get("admin/events")), default=0)


def route_changes(events: Iterable[Record]) -> list[Record]:
    """Returns the events in which a route that was there has changed or gone, or one that was gone has come back."""
    return [event for event in events if event["kind"] == "route"]


def worst_minute(changes: Iterable[Record]) -> tuple[int, str]:
    """Returns how often the route to one destination changed at one node within a minute, at most, and where."""
    times: dict[str, list[float]] = defaultdict(list)
    for change in changes:
        times[f"{change['at']} to {change['node']}"].append(change["time"])
    worst = (0, "")
    for where, found in times.items():
        found.sort()
        first = 0
        for last, at in enumerate(found):
            while found[first] < at - MINUTE_S:
                first += 1
            worst = max(worst, (last - first + 1, where))
    return worst
