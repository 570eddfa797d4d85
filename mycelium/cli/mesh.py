"""`mycelium mesh`: the links of all nodes, as they tell them."""

from typing import TYPE_CHECKING, Final

import click

from mycelium.admin.table import Column
from mycelium.cli import options
from mycelium.cli.connection import connect
from mycelium.cli.diagnosis import echo_folded
from mycelium.cli.output import cost_ms, print_json, print_table

if TYPE_CHECKING:
    from mycelium.admin.mesh import LinkEndInfo, MeshInfo, MeshLink

_MARGIN_S: Final = 5.0  # for the answer of the daemon itself
_STATES: Final = {
    "waiting": "Not answered yet: {nodes}. Try again, or wait longer (--wait).",
    "refused": "Links kept secret (share_links says so there): {nodes}.",
    "silent": "No answer: {nodes}.",
}
_MOST_NAMED: Final = 5


@click.command
@options.client
@options.as_json
@click.option(
    "--wait",
    "-w",
    default=5.0,
    type=options.Seconds(0.0, 30.0),
    show_default=True,
    help="Seconds to wait for the answers of all nodes.",
)
@click.pass_context
def mesh(context: click.Context, wait: float, as_json: bool) -> None:
    """List the links of all nodes. Each is asked what it has.

    Here and There are what each end measures: the node in the first column, and that in the second. Where one is empty,
    that end does not tell.
    """
    found = connect(context, timeout_s=wait + _MARGIN_S).mesh(wait_s=wait)
    if as_json:
        print_json(found)
        return
    print_table(_columns(found), found.links())
    for state, words in _STATES.items():
        nodes = [node.name or address for address, node in found.nodes.items() if node.answer == state]
        if nodes:
            more = [f"{len(nodes) - _MOST_NAMED} more"] if len(nodes) > _MOST_NAMED else []
            echo_folded(words.format(nodes=", ".join(nodes[:_MOST_NAMED] + more)))


def _columns(found: "MeshInfo") -> tuple[Column["MeshLink"], ...]:
    def shown(node: str) -> str:
        return found.nodes[node].name or node

    return (
        Column("Node", lambda link: shown(link.one), must_show=True),
        Column("Node", lambda link: shown(link.other), must_show=True),
        Column("RTT ms here", lambda link: _rtt(link.of_one), is_number=True, must_show=True),
        Column("There", lambda link: _rtt(link.of_other), is_number=True, must_show=True),
        Column("Loss here", lambda link: _loss(link.of_one), is_number=True),
        Column("There", lambda link: _loss(link.of_other), is_number=True),
        Column("Cost here", lambda link: _cost(link.of_one), is_number=True),
        Column("There", lambda link: _cost(link.of_other), is_number=True),
    )


def _rtt(end: "LinkEndInfo | None") -> str:
    return "" if end is None else "suspect" if end.suspect else "" if end.rtt_ms is None else f"{end.rtt_ms:.2f}"


def _loss(end: "LinkEndInfo | None") -> str:
    return "" if end is None or end.loss is None else f"{end.loss:.1%}"


def _cost(end: "LinkEndInfo | None") -> str:
    return "" if end is None else cost_ms(end.cost)
