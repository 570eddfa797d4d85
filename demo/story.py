"""A mesh of six real daemons, each in a network namespace of its own: it forms, carries, loses a link and heals.

    ./dev demo

Needs root, for the namespaces and TUN devices; everything is gone when it ends.
"""

import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.lab.laboratory import Lab, is_available
from tests.lab.mesh import DaemonMesh
from tests.lab.ping import Pings, ping
from tests.lab.traffic import exchange_tcp, iperf

EDGES = [
    ("amber", "birch"),
    ("birch", "cedar"),
    ("amber", "dahlia"),
    ("dahlia", "elder"),
    ("elder", "cedar"),
    ("cedar", "fern"),
]
PICTURE = """\
    [bold]amber[/] ─── birch ─── cedar ─── [bold]fern[/]
      │                   │
    dahlia ─── elder ─────┘"""
TRANSFER_BYTES = 64 << 20

console = Console()


def say(text: str) -> None:
    """Prints a step."""
    console.print(f"\n[bold cyan]•[/] {text}")


def show_nodes(mesh: DaemonMesh) -> None:
    """Prints who is there and whom they see."""
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for column in ("node", "address made from its key", "neighbours", "routes"):
        table.add_column(column)
    for name, daemon in mesh.daemons.items():
        table.add_row(name, daemon.address, str(len(daemon.alive_peers())), str(len(daemon.reachable_subnets())))
    console.print(table)


def show_route(mesh: DaemonMesh, source: str, destination: str) -> None:
    """Prints the path that packets take, as traceroute would find it."""
    path, here = [source], source
    while here != destination and len(path) <= len(mesh.daemons):
        routes = {route["subnet"]: route["nextHop"] for route in mesh[here].get("admin/routes/selected")}
        following = routes.get(mesh[destination].subnet)
        here = next((name for name, daemon in mesh.daemons.items() if daemon.address == following), "nowhere")
        path.append(here)
    console.print(f"  {source} reaches {destination} by [green]{' → '.join(path)}[/]")


def demonstrate(mesh: DaemonMesh) -> None:
    """Shows one thing after the other; the mesh is ready to be started."""
    amber, fern = mesh["amber"], mesh["fern"]
    say("Six hosts, six cables; each daemon is told of one or two neighbours by address, and no more.")
    console.print(PICTURE)
    begun = time.monotonic()
    mesh.start()
    started = time.monotonic()
    mesh.wait_converged()
    say(
        f"All daemons started in {started - begun:.1f} s; {time.monotonic() - started:.1f} s later "
        "everybody has a route to everybody."
    )
    show_nodes(mesh)
    show_route(mesh, "amber", "fern")

    say("Ping from amber to fern, through relays that can't read it:")
    result = ping(amber.host, fern.address, count=50, interval=0.02)
    console.print(f"  {result.received} of 50 answered, {result.average_ms:.2f} ms on average")

    say(f"{TRANSFER_BYTES >> 20} MiB by TCP each way at once, every byte checked:")
    seconds = exchange_tcp(amber.host, fern.host, fern.address, TRANSFER_BYTES, seconds=60)
    console.print(f"  intact, in {seconds:.2f} s")
    report = iperf(amber.host, fern.host, fern.address, seconds=3)
    console.print(
        f"  iperf3, one stream through two relays: {report['end']['sum_received']['bits_per_second'] / 1e9:.2f} Gbit/s"
    )

    say("Now the cable between birch and cedar goes silent, without a word to anyone, under a ping each 10 ms:")
    pings = Pings(amber.host, fern.address, interval=0.01)
    time.sleep(1.5)  # what is shown is a picture over time: some pings before, some after
    mesh.cable("birch", "cedar").cut()
    time.sleep(3.0)
    result = pings.finish()
    show_route(mesh, "amber", "fern")
    console.print(f"  out for [bold]{result.outage_s:.2f} s[/], then around the hole")

    say("The cable is mended, and the shortest path is taken again:")
    mesh.cable("birch", "cedar").mend()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not takes(mesh, "amber", "fern", "birch"):
        time.sleep(0.1)
    show_route(mesh, "amber", "fern")

    say("Everything is taken down again. Next: [bold].venv/bin/mycelium --help[/] and README.md.")


def takes(mesh: DaemonMesh, source: str, destination: str, neighbour: str) -> bool:
    """Tells whether the route goes by a neighbour."""
    routes = {route["subnet"]: route["nextHop"] for route in mesh[source].get("admin/routes/selected")}
    return routes.get(mesh[destination].subnet) == mesh[neighbour].address


def main() -> int:
    """Runs the demonstration; returns the exit status."""
    if not is_available():
        console.print("[red]The demonstration needs root and the tools that ./dev setup installs.[/]")
        return 1
    with tempfile.TemporaryDirectory() as directory, Lab() as lab:
        demonstrate(DaemonMesh(lab, Path(directory), EDGES))
    return 0
