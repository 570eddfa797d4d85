"""A mesh of six real daemons, each in a network namespace of its own: it forms, carries, loses a cable and heals.

    ./dev demo

Needs root, for the namespaces and TUN devices; everything is gone when it ends. What it says is checked: the exit status is 1
where something of it did not come true.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.lab.laboratory import TOOLS, Lab, is_available
from tests.lab.mesh import DaemonMesh
from tests.lab.outage import watch
from tests.lab.ping import PING_INTERVAL_S, ping
from tests.lab.traffic import exchange_tcp, iperf
from tests.lab.waiting import wait_until

EDGES: Final = [
    ("amber", "birch"),
    ("birch", "cedar"),
    ("amber", "dahlia"),
    ("dahlia", "elder"),
    ("elder", "cedar"),
    ("cedar", "fern"),
]
PICTURE: Final = """\
    [bold]amber[/] ─── birch ─── cedar ─── [bold]fern[/]
      │                   │
    dahlia ─── elder ─────┘"""
SHORTEST: Final = ["amber", "birch", "cedar", "fern"]
DETOUR: Final = ["amber", "dahlia", "elder", "cedar", "fern"]
PINGS: Final = 100
TRANSFER_BYTES: Final = 64 << 20
TRANSFER_SECONDS: Final = 120.0
IPERF_SECONDS: Final = 3.0
CALM_ROUND_TRIP_S: Final = 0.005
CALM_SECONDS: Final = 60.0
PATH_SECONDS: Final = 60.0  # until the path is the expected one; costs measured while daemons start come down meanwhile
HEAL_SECONDS: Final = 20.0
OUTAGE_SECONDS: Final = 1.0  # at most

console = Console()


@dataclass(frozen=True)
class Figures:
    """What a run of the demonstration measured."""

    answered: int
    round_trip_ms: float
    outage_s: float
    detour: list[str]
    path_after: list[str]
    transfer_s: float
    bits_per_second: float

    def failures(self) -> list[str]:
        """Returns what did not come true of what the demonstration promises."""
        promises = {
            f"{PINGS} pings are answered, but {self.answered} were": self.answered == PINGS,
            f"a cut costs less than {OUTAGE_SECONDS:g} s, but cost {self.outage_s:.2f} s": self.outage_s
            < OUTAGE_SECONDS,
            f"packets go around the cut, but by {shown(self.detour)}": self.detour == DETOUR,
            f"the shortest path is taken again, but it is {shown(self.path_after)}": self.path_after == SHORTEST,
        }
        return [promise for promise, is_kept in promises.items() if not is_kept]


def demonstrate(mesh: DaemonMesh) -> Figures:
    """Shows one thing after the other; the mesh is ready to be started."""
    amber, fern = mesh["amber"], mesh["fern"]
    say("Six hosts, six cables; each daemon is told of one or two neighbours by address, and no more.")
    console.print(PICTURE)
    _form(mesh)

    _rest(mesh)
    say(f"{PINGS} pings, 10 ms apart, from amber to fern, through relays that can't read them:")
    pinged = ping(amber.host, fern.address, count=PINGS, interval=PING_INTERVAL_S)
    console.print(f"  {pinged.received} of {PINGS} answered, {pinged.average_ms:.2f} ms on average")

    say("Now the cable between birch and cedar goes silent, without a word to anyone, under a ping each 10 ms:")
    cable = mesh.cable("birch", "cedar")
    outage_s = watch(amber.host, fern.address, cable.cut, seconds=HEAL_SECONDS).outage_s
    detour = _show_path(mesh, DETOUR)
    console.print(f"  out for [bold]{outage_s:.2f} s[/], then around the cut")

    say("The cable is mended, and the shortest path is taken again:")
    cable.mend()
    path_after = _show_path(mesh, SHORTEST)

    say(f"{TRANSFER_BYTES >> 20} MiB by TCP each way at once, every byte checked:")
    transfer_s = exchange_tcp(amber.host, fern.host, fern.address, TRANSFER_BYTES, seconds=TRANSFER_SECONDS)
    console.print(f"  intact, in {transfer_s:.2f} s")
    report = iperf(amber.host, fern.host, fern.address, seconds=IPERF_SECONDS)
    bits_per_second = float(report["end"]["sum_received"]["bits_per_second"])
    console.print(f"  iperf3, one stream through two relays: {bits_per_second / 1e9:.2f} Gbit/s")
    return Figures(
        answered=pinged.received,
        round_trip_ms=pinged.average_ms,
        outage_s=outage_s,
        detour=detour,
        path_after=path_after,
        transfer_s=transfer_s,
        bits_per_second=bits_per_second,
    )


def _form(mesh: DaemonMesh) -> None:
    """Starts all daemons and shows who they are."""
    begun = time.monotonic()
    mesh.start()
    started = time.monotonic()
    mesh.wait_converged(PATH_SECONDS)
    say(
        f"All daemons started in {started - begun:.1f} s; {time.monotonic() - started:.1f} s later "
        "everybody has a route to everybody."
    )
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for column in ("node", "address made from its key", "neighbours", "routes"):
        table.add_column(column)
    for name, daemon in mesh.daemons.items():
        table.add_row(name, daemon.address, str(len(daemon.alive_peers())), str(len(daemon.reachable_subnets())))
    console.print(table)
    _show_path(mesh, SHORTEST)


def _rest(mesh: DaemonMesh) -> None:
    """Waits until round trips measured during the start have worn off; until then a silence is judged more patiently."""
    begun = time.monotonic()
    try:
        mesh.wait_calm(CALM_ROUND_TRIP_S, CALM_SECONDS)
        say(f"{time.monotonic() - begun:.1f} s later the mesh is at rest, as it is where README.md gives figures.")
    except AssertionError:
        say("This machine is busy: round trips stay long, and what follows takes longer than README.md says.")


def _show_path(mesh: DaemonMesh, expected: list[str]) -> list[str]:
    """Waits for a path between its ends, shows which one it has become, and returns that."""
    source, destination = expected[0], expected[-1]
    try:
        wait_until(lambda: mesh.path(source, destination) == expected, PATH_SECONDS, "the path")
    except AssertionError:
        console.print("  [red]not by the expected path:[/]")
    path = mesh.path(source, destination)
    console.print(f"  {source} reaches {destination} by [green]{shown(path)}[/]")
    return path


def shown(path: list[str]) -> str:
    """Returns a path as people read it."""
    return " → ".join(path) or "no path at all"


def say(text: str) -> None:
    """Prints a step."""
    console.print(f"\n[bold cyan]•[/] {text}")


def main() -> int:
    """Runs the demonstration; returns the exit status."""
    if not is_available():
        console.print(
            f"[red]The demonstration needs root and the tools that ./dev setup installs: {', '.join(TOOLS)}.[/]"
        )
        return 1
    with tempfile.TemporaryDirectory() as directory, Lab() as lab:
        failures = demonstrate(DaemonMesh(lab, Path(directory), EDGES)).failures()
    for failure in failures:
        console.print(f"[red]It should be that {failure}.[/]")
    if not failures:
        say("Everything is taken down again. Next: [bold].venv/bin/mycelium --help[/] and README.md.")
    return 1 if failures else 0
