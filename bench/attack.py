"""What honest nodes feel while a neighbour of theirs attacks: a line of daemons a - v - b, and an attacker with a link to v.

    ./dev attack
    ./dev attack --attacks "swing metrics" "send junk" --times 1 10

Each attack is a program in a host of its own (`tests/hostile/`), at the rate at which it once did harm and at ten times that,
as far as this machine keeps up. Pings go from a to b each 10 ms; a newcomer links with v in the midst of it, and it counts when
a reaches it. All share the processors of this machine; as root.
"""

import argparse
import contextlib
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench.support.report import Row, print_table, progress, write_json_lines
from mycelium.crypto.key_proof import KeyProver
from mycelium.crypto.primitives import RealPrimitives
from mycelium.identity import SEED_BYTES, Identity
from mycelium.peer_url import pin_text
from tests.hostile.acts import ACTS, Act
from tests.hostile.local_callers import ask_nonsense, hold
from tests.lab.daemon import PORT, PROGRAM, LabDaemon
from tests.lab.flood import allow_sources
from tests.lab.laboratory import Lab
from tests.lab.mesh import DaemonMesh, line
from tests.lab.ping import PING_INTERVAL_S, PingResult, Pings, answers, ping
from tests.lab.waiting import wait_until

COLUMNS: Final = (
    "attack", "per second", "loss, %", "RTT before, ms", "meanwhile", "worst before", "worst meanwhile", "newcomer, s",
    "processor, %", "memory, MiB", "lines", "named", "fails",
)  # fmt: skip
BEFORE_S: Final = 2.0
PREPARED_S: Final = 90.0
NEWCOMER_S: Final = 20.0  # it is waited for at most
CALM_S: Final = 120.0
CALM_PINGS: Final = 20
CALM_MS: Final = 20.0
LOSS: Final = 0.01
TIMES_LONGER: Final = 2.0
MEMORY_BYTES: Final = 100 << 20
LINES_PER_MINUTE: Final = 6
LINES_AT_ONCE: Final = 12  # each excess is told once a minute, and links that come up are
REACHED_S: Final = 2.0
QUIET: Final = " DEBUG "
LOCAL: Final = "call the API"
ROOT: Final = "corp.root"
IDLE_CALLERS: Final = 64
BAD_REQUESTS: Final = 300
LOCAL_S: Final = 4.0
NEWCOMER_AFTER: Final = 0.3  # of the time of an attack
SAMPLES_S: Final = 0.1
WARNINGS: Final = ("neighbour-excessive", "strangers-excessive")


def main() -> None:
    """Attacks and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attacks", nargs="+", choices=[*ACTS, LOCAL], default=[*ACTS, LOCAL])
    parser.add_argument("--times", type=float, nargs="+", default=[1.0, 10.0], help="of the rate of each")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where to write JSON lines; standard output otherwise"
    )
    given = parser.parse_args()
    rows = [
        row
        for name in given.attacks
        for row in ([_local_row()] if name == LOCAL else (_row(name, ACTS[name], times) for times in given.times))
    ]
    print_table(rows, COLUMNS)
    write_json_lines(rows, given.json)


@dataclass
class Toll:
    """What one attack did."""

    before: PingResult
    meanwhile: PingResult
    newcomer_s: float
    processor: float
    grown_bytes: int
    lines: int
    seconds: float
    named: str
    per_second: float = 0.0

    @property
    def loss(self) -> float:
        """The share of honest pings that were lost meanwhile; the last ones are still under way."""
        sent = self.meanwhile.sent - 1 - int(max(self.meanwhile.round_trips_ms, default=0.0) / PING_INTERVAL_S / 1e3)
        return max(0.0, 1 - self.meanwhile.received / max(sent, 1))

    def failures(self) -> list[str]:
        """Returns what is beyond the bars, in a word each."""
        was, is_now = median(self.before.round_trips_ms), median(self.meanwhile.round_trips_ms or [math.inf])
        judged = {
            "loss": self.loss > LOSS,
            "RTT": is_now > TIMES_LONGER * was,
            "newcomer": self.newcomer_s > REACHED_S,
            "memory": self.grown_bytes > MEMORY_BYTES,
            "log": self.lines > LINES_AT_ONCE + LINES_PER_MINUTE * self.seconds / 60,
            "unnamed": not self.named,
        }
        return [word for word, is_beyond in judged.items() if is_beyond]

    def row(self, attack: str) -> Row:
        """Returns the line of the table."""
        trips = self.before.round_trips_ms, self.meanwhile.round_trips_ms or [math.inf]
        figures: tuple[str | float, ...] = (
            round(self.per_second),
            round(100 * self.loss, 2),
            *(round(median(one), 2) for one in trips),
            *(round(max(one), 1) for one in trips),
            round(self.newcomer_s, 2),
            round(100 * self.processor),
            round(self.grown_bytes / (1 << 20), 1),
            self.lines,
            self.named or "no",
            ", ".join(self.failures()) or "-",
        )
        return dict(zip(COLUMNS, (attack, *figures), strict=True))


def _row(name: str, act: Act, times: float) -> Row:
    progress(f"{name}, {act.per_second * times:,.0f} {act.things} a second")
    with _mesh(of_members=act.of_member) as mesh:
        row = _measure(mesh, name, act, times).row(f"{name} ({act.things})")
    progress(", ".join(f"{column} {row[column]}" for column in COLUMNS[1:]))
    return row


@contextlib.contextmanager
def _mesh(*, of_members: bool = False) -> Iterator[DaemonMesh]:
    """Yields a - v - b with links; the attacker's host x and the newcomer's host c have wires to v, and nothing runs there."""
    with Lab() as lab, tempfile.TemporaryDirectory() as directory:
        mesh = DaemonMesh(
            lab, Path(directory), [*line("a", "v", "b"), ("x", "v"), ("c", "v")], options=["--no-shortcuts"]
        )
        mesh["v"].options += ["--policy", "closed"]  # which does not concern what it passes on
        strangers, cable = mesh.hosts["x"], mesh.cable("x", "v")
        allow_sources(strangers, mesh.hosts["v"], cable.end(strangers).ipv6)
        if of_members:
            _admit(mesh, Path(directory) / ROOT)
        mesh.start("avb")
        mesh.wait_converged()
        yield mesh


def _admit(mesh: DaemonMesh, root: Path) -> None:
    """Makes a network of members of all hosts that run daemons."""
    mesh.hosts["a"].run(PROGRAM, "network", "create", root)
    for name in "avbc":
        daemon, member = mesh[name], root.with_name(f"{name}.member")
        daemon.host.run(PROGRAM, "network", "admit", root, member, "--key-file", daemon.key_file)
        daemon.options += ["--network-key-file", str(member)]


def _as_member(mesh: DaemonMesh, act: Act) -> list[str]:
    """Admits the attacker too, where there are members; returns how it is told."""
    if not act.of_member:
        return []
    seed = os.urandom(SEED_BYTES)
    root = mesh["v"].key_file.with_name(ROOT)
    member = root.with_name("x.member")
    identity = Identity(seed)
    keys = pin_text(identity.signing_public_key, KeyProver(identity, RealPrimitives()).fingerprint)
    mesh.hosts["v"].run(PROGRAM, "network", "admit", root, member, keys)
    return ["--member", str(member), seed.hex()]


def _measure(mesh: DaemonMesh, name: str, act: Act, times: float) -> Toll:
    end = mesh.cable("x", "v").end(mesh.hosts["v"])
    command = (
        *("nice", sys.executable, "-m", "tests.hostile", name),
        *("--victim", end.ipv6 if act.over_ipv6 else end.ipv4, str(PORT)),
        *("--rate", str(act.per_second * times), "--seconds", str(act.seconds)),
        *_as_member(mesh, act),
    )
    attacker = mesh.hosts["x"].start(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    said, told = attacker.stdout, attacker.stdin
    assert said is not None
    assert told is not None
    address = said.readline().strip()
    assert address, f"the attacker failed with {attacker.wait()}"

    def begin() -> None:
        told.write("go\n")
        told.flush()

    toll = _toll(mesh, begin, act.seconds, address)
    toll.per_second = json.loads(said.readline())["per_second"]
    return toll


def _local_row() -> Row:
    """Returns the row of programs on the host of v that keep its API busy."""
    progress(f"{LOCAL}: {IDLE_CALLERS} connections that say nothing, {BAD_REQUESTS} bad requests")
    held: list[socket.socket] = []
    with _mesh() as mesh:
        api = mesh["v"].api_socket

        def begin() -> None:
            ask_nonsense(api, BAD_REQUESTS)
            held.extend(hold(api, IDLE_CALLERS))

        toll = _toll(mesh, begin, LOCAL_S, "")
    for caller in held:
        caller.close()
    toll.named = "local"
    return toll.row(LOCAL)


def _toll(mesh: DaemonMesh, begin: Callable[[], None], seconds: float, attacker: str) -> Toll:
    """Has an attack begin, and returns what is felt for some seconds; `attacker` is the overlay address of whoever does it."""
    one, victim = mesh["a"], mesh["v"]
    wait_until(lambda: _is_calm(mesh), CALM_S, "the mesh is calm after the preparations")
    pings = Pings(one.host, mesh["b"].address)
    time.sleep(BEFORE_S)
    before = pings.finish()
    memory, processor, seen = victim.rss_bytes(), victim.cpu_seconds(), len(_lines(victim))
    pings, began = Pings(one.host, mesh["b"].address), time.monotonic()
    begin()
    time.sleep(NEWCOMER_AFTER * seconds)
    newcomer_s = _newcomer_s(mesh)
    most = victim.rss_bytes()
    while time.monotonic() < began + seconds:
        time.sleep(SAMPLES_S)
        most = max(most, victim.rss_bytes())
    spent = time.monotonic() - began
    taken = victim.cpu_seconds() - processor
    return Toll(
        before=before,
        meanwhile=pings.finish(),
        newcomer_s=newcomer_s,
        processor=taken / spent,
        grown_bytes=most - memory,
        lines=len(_lines(victim)) - seen,
        seconds=spent,
        named=_named(victim, attacker),
    )


def _is_calm(mesh: DaemonMesh) -> bool:
    result = ping(mesh["a"].host, mesh["b"].address, count=CALM_PINGS, interval=PING_INTERVAL_S)
    return result.received == CALM_PINGS and max(result.round_trips_ms) < CALM_MS


def _newcomer_s(mesh: DaemonMesh) -> float:
    """Returns how long it takes from when the newcomer's daemon runs until the first node reaches it."""
    newcomer = mesh["c"]
    newcomer.start()
    newcomer.wait_ready()
    since = time.monotonic()
    with contextlib.suppress(AssertionError):
        wait_until(lambda: answers(mesh["a"].host, newcomer.address), NEWCOMER_S, "the newcomer is reached")
        return time.monotonic() - since
    return math.inf


def _lines(daemon: LabDaemon) -> list[str]:
    """Returns the lines of a log that it has without --debug."""
    return [line for line in daemon.log().splitlines() if QUIET not in line]


def _named(victim: LabDaemon, attacker: str) -> str:
    """Returns the kinds of warnings in the journal that name the attacker or his network."""
    kinds = {event["kind"] for event in victim.events() if event["kind"] in WARNINGS and _is_about(event, attacker)}
    return " ".join(sorted(kinds))


def _is_about(event: dict[str, object], attacker: str) -> bool:
    return event.get("node") == attacker or event["kind"] == "strangers-excessive"


if __name__ == "__main__":
    main()
