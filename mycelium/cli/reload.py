"""`mycelium reload`: has a running daemon read its configuration again."""

import click

from mycelium.cli import options
from mycelium.cli.connection import connect
from mycelium.cli.output import print_json


@click.command
@options.client
@options.as_json
@click.pass_context
def reload(context: click.Context, as_json: bool) -> None:
    """Have a daemon read its configuration again. Peers, policy and log settings change at once, links stay."""
    done = connect(context).reload()
    if as_json:
        print_json(done)
    else:
        click.echo(f"reloaded: {done}")
