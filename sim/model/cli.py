"""`mycelium-sim model`: what small tables cost in networks that are too large to be simulated."""

from typing import Final

import click
import msgspec
from rich.console import Console

from mycelium.admin.table import Column

from ..report.terminal import print_table
from .model import Model, Modelled

MOST: Final = 2_000_000  # nodes that fit into 8 GiB


@click.command("model")
@click.option(
    "--topology", default="ba:m=2", show_default=True, help="See 'list'; of more than 20,000 nodes ba:m=2 only."
)
@click.option("--nodes", default="1000,10000", show_default=True, metavar="N,...", help="Numbers of nodes.")
@click.option("--scope", default=128, show_default=True, type=click.IntRange(min=4), help="Nodes that a table holds.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same figures.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def model_command(topology: str, nodes: str, scope: int, seed: int, as_json: bool) -> None:
    """Computes routes, stretch and look-ups of networks of up to two million nodes by formulas.

    Up to 10,000 nodes, "mycelium-sim run" has the same from real code.
    """
    found = []
    for number in _numbers(nodes):
        modelled = Model(topology, number, scope, seed).compute()
        found.append(modelled)
        if as_json:
            click.echo(msgspec.json.encode(modelled))
    if not as_json:
        print_table(Console(), _COLUMNS, found)


def _numbers(text: str) -> list[int]:
    try:
        numbers = [int(one) for one in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(2 <= one <= MOST for one in numbers):
        raise click.UsageError(f"--nodes {text}: not numbers between 2 and {MOST}")
    return numbers


def _column(heading: str, field: str) -> Column[Modelled]:
    return Column(heading, lambda one: f"{getattr(one, field):,}", is_number=True, must_show=True)


def _stretch(heading: str, name: str) -> Column[Modelled]:
    def cell(one: Modelled) -> str:
        found = getattr(one, name)
        return f"{getattr(one, f'mean_{name}'):.3f} {found.p99:.2f} {found.max:.2f}"

    return Column(heading, cell, is_number=True, must_show=True)


_COLUMNS: Final[tuple[Column[Modelled], ...]] = (
    _column("nodes", "nodes"),
    _column("scope", "scope"),
    _column("landmarks", "landmarks"),
    _column("routes", "rows"),
    _column("bytes at start", "start_bytes"),
    _stretch("first packet: mean p99 max", "first"),
    _stretch("both homes", "later"),
    _stretch("met", "met"),
    Column("exact", lambda one: f"{one.exact:.1%}", is_number=True, must_show=True),
    Column(
        "look-up ms: median p99",
        lambda one: f"{one.lookup_ms.median} {one.lookup_ms.p99}",
        is_number=True,
        must_show=True,
    ),
)
