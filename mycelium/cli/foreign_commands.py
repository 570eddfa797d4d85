"""Commands of the Rust implementation about what this one does not have: scripts find nothing, as where nothing is."""

from collections.abc import Sequence

import click

from mycelium.admin.table import Column
from mycelium.cli import options
from mycelium.cli.connection import connect
from mycelium.cli.output import print_json, print_table
from mycelium.cli.parsing import DefaultGroup


@click.command(hidden=True)
@options.client
@options.as_json
@click.pass_context
def queried(context: click.Context, as_json: bool) -> None:
    """List the subnets that are being asked for. There are none, since all routes are known."""
    _print(connect(context).routes_queried(), "Subnet", as_json=as_json)


@click.group(cls=DefaultGroup, default_command="packets", no_args_is_help=False, hidden=True)
@options.client_group
def stats() -> None:
    """Show statistics, as the Rust Mycelium has them. 'mycelium status -v' has ours."""


@stats.command
@options.client
@options.as_json
@click.pass_context
def packets(context: click.Context, as_json: bool) -> None:
    """Show packets by source and destination. They are not counted here."""
    found = connect(context).packets()
    if as_json:
        print_json(found)
    else:
        _print(found.by_source, "Source", as_json=False)
        _print(found.by_destination, "Destination", as_json=False)


@click.group(cls=DefaultGroup, default_command="list", no_args_is_help=False, hidden=True)
@options.client_group
def proxy() -> None:
    """SOCKS proxies, which are not used here."""


@proxy.command("list")
@options.client
@options.as_json
@click.pass_context
def list_proxies(context: click.Context, as_json: bool) -> None:
    """List the known proxies: none."""
    _print(connect(context).proxies(), "Address", as_json=as_json)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1)
@click.pass_context
def use_proxy(context: click.Context, words: tuple[str, ...]) -> None:
    """Use a proxy, which this program does not."""
    raise click.UsageError("this is of the Rust Mycelium: there is no SOCKS proxy here", context)


for _name in ("connect", "disconnect", "probe"):
    proxy.add_command(use_proxy, _name)


def _print(found: Sequence[object], heading: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        print_table((Column(heading, str, must_show=True),), found)
