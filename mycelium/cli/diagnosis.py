"""Commands that find out why something is as it is: `mycelium explain`."""

from typing import Final

import click

from mycelium.cli import options
from mycelium.cli.connection import connect
from mycelium.cli.output import print_json, terminal_width

UNREACHABLE: Final = 4  # exit status where a node can't be reached


@click.command
@options.client
@options.as_json
@click.argument("node", metavar="NODE")
@click.pass_context
def explain(context: click.Context, node: str, as_json: bool) -> int:
    """Show why a node is reached over one neighbour and not over another.

    NODE is an address, a subnet, a public key, or the beginning of an address. Times are in ms, as routing counts
    them. The exit status is 4 if there is no route.
    """
    found = connect(context).explain(node)
    if as_json:
        print_json(found)
    else:
        from mycelium.cli.explanation import explanation_lines

        for line in explanation_lines(found, room=terminal_width()):
            click.echo(line)
    return 0 if found.next_hop else UNREACHABLE
