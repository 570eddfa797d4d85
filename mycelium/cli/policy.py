"""`mycelium policy`: what may come in from other nodes, and which rule decides."""

import click

from mycelium.cli import options
from mycelium.cli.connection import connect
from mycelium.cli.output import print_fields, print_json
from mycelium.quantity import quantity

DENIED = 1  # exit status


@click.group
def policy() -> None:
    """Show what may come in, and which rule decides."""


@policy.command
@options.client
@options.as_json
@click.pass_context
def show(context: click.Context, as_json: bool) -> None:
    """Show the rules that a running daemon goes by."""
    found = connect(context).policy()
    if as_json:
        print_json(found)
        return
    print_fields(
        [
            ("Policy:", found.summary),
            *_rules("Packets:", found.packets),
            *_rules("Sessions:", found.sessions),
            *_rules("Links:", found.links),
            ("Flows:", found.flows),
            ("Denied:", quantity(found.denied, "packet")),
        ]
    )


@policy.command
@options.client
@options.as_json
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="DST")
@click.argument("port", metavar="PORT")
@click.pass_context
def test(context: click.Context, source: str, destination: str, port: str, as_json: bool) -> int:
    """Show whether a packet may pass, and which rule decides.

    SRC begins something with PORT of DST.

    SRC and DST are nodes as elsewhere, one of them this one, which is 'here' too; PORT is 22, tcp/22, udp/53 or icmp. The
    exit status is 1 if it is denied.
    """
    found = connect(context).test_policy(source, destination, port)
    if as_json:
        print_json(found)
    else:
        click.echo(f"{'allowed' if found.allowed else 'denied'}: {found.why}")
    return 0 if found.allowed else DENIED


def _rules(title: str, rules: list[str]) -> list[tuple[str, str]]:
    return [(title if place == 0 else "", rule) for place, rule in enumerate(rules)]
