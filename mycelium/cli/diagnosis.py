"""Commands that find out why something is as it is: `mycelium explain`, `ping`, `trace`, `links` and `sessions`."""

import textwrap
import time
from typing import TYPE_CHECKING, Final

import click

from mycelium.admin.table import Column
from mycelium.cli import options
from mycelium.cli.connection import connect
from mycelium.cli.output import cost_ms, duration, print_json, print_table, size, terminal_width
from mycelium.quantity import quantity

if TYPE_CHECKING:
    from mycelium.admin.diagnosis import HopInfo, LinkInfo, PingInfo, SessionInfo, WayInfo

UNREACHABLE: Final = 4  # exit status where a node can't be reached
_TRACE_S: Final = 30.0  # within which the daemon has found the way
_of_node = click.argument("node", metavar="NODE")


@click.command
@options.client
@options.as_json
@_of_node
@click.pass_context
def explain(context: click.Context, node: str, as_json: bool) -> int:
    """Show why a node is reached as it is. It tells why over one neighbour and not over another.

    NODE is a name, an address, a subnet, a public key, or the beginning of an address. Times are in ms, as routing counts
    them. A node to which this one keeps no route is reached by its home, which is looked up. The exit status is 4 if there
    is no way.
    """
    found = connect(context).explain(node)
    if as_json:
        print_json(found)
    else:
        from mycelium.cli.explanation import explanation_lines

        for line in explanation_lines(found, room=terminal_width()):
            click.echo(line)
    return 0 if found.next_hop else UNREACHABLE


@click.command
@options.client_with_count
@options.as_json
@click.option("--count", "-c", default=4, type=click.IntRange(1), show_default=True, help="Number of requests.")
@click.option(
    "--interval", "-i", default=1.0, type=options.Seconds(0.05), show_default=True, help="Seconds between them."
)
@click.option(
    "--wait",
    "-w",
    default=2.0,
    type=options.Seconds(0.01, 9.0),
    show_default=True,
    help="Seconds to wait for an answer.",
)
@_of_node
@click.pass_context
def ping(context: click.Context, node: str, count: int, interval: float, wait: float, as_json: bool) -> int:
    """Ask a node for answers, end to end. It needs no TUN device on either side.

    NODE is a name, an address, a subnet, a public key, or the beginning of an address. The exit status is 4 if no
    answer comes.
    """
    daemon = connect(context)
    found: list[PingInfo] = []
    for number in range(count):
        began = time.monotonic()
        found.append(daemon.ping(node, wait_s=wait))
        if not as_json:
            echo_folded(_answer(found[-1]))
        if number + 1 < count:
            time.sleep(max(began + interval - time.monotonic(), 0))
    times = sorted(one.rtt_ms for one in found if one.rtt_ms is not None)
    least, middle, most = (
        (times[0], (times[(len(times) - 1) // 2] + times[len(times) // 2]) / 2, times[-1])
        if times
        else (None, None, None)
    )
    if as_json:
        summary = {"leastMs": least, "medianMs": middle, "mostMs": most, "answers": found}
        print_json({"node": found[0].node, "sent": count, "received": len(times), **summary})
    elif count > 1:
        spread = f": {least:.2f} ms at least, {middle:.2f} median, {most:.2f} at most" if times else ""
        echo_folded(f"{len(times)} of {count} answered{spread}")
    return 0 if times else UNREACHABLE


@click.command
@options.client
@options.as_json
@_of_node
@click.pass_context
def trace(context: click.Context, node: str, as_json: bool) -> int:
    """Show the nodes on the way to a node. Of three round trips to each it tells the least and the median.

    NODE is a name, an address, a subnet, a public key, or the beginning of an address. The exit status is 4 if it does
    not answer.
    """
    found = connect(context, timeout_s=_TRACE_S).trace(node)
    if as_json:
        print_json(found)
    else:
        if found.hops:
            print_table(_HOP_COLUMNS, found.hops)
        if not found.has_route and found.next_hop:
            echo_folded(f"No route here: {detour(found)}.")
        if not found.reached:
            echo_folded(f"{named(found.node, found.name)} did not answer: {found.error or 'the way changes'}")
    return 0 if found.reached else UNREACHABLE


@click.command
@options.client
@options.as_json
@click.pass_context
def links(context: click.Context, as_json: bool) -> None:
    """List the links with neighbours. The path in use stands first of the paths of each.

    Nodes is how many are reached over a link, MTU the longest datagram that its path carries.
    """
    found = connect(context).links()
    if as_json:
        print_json(found)
    else:
        rows = [(link, index) for link in found for index in range(len(link.paths))]
        print_table(_LINK_COLUMNS, rows)


@click.command
@options.client
@options.as_json
@click.pass_context
def sessions(context: click.Context, as_json: bool) -> None:
    """List the end-to-end sessions, that used last first.

    Sent is what was sealed under the keys in use, Trains what was received under them.
    """
    found = connect(context).sessions()
    if as_json:
        print_json(found)
    else:
        print_table(_SESSION_COLUMNS, found)


def _answer(one: "PingInfo") -> str:
    way = "direct" if one.direct else f"relayed via {one.next_hop_name or one.next_hop}"
    if not one.has_route and one.next_hop:
        way += f"; no route here: {detour(one)}"
    if one.rtt_ms is None:
        return f"{named(one.node, one.name)}: {one.error}{'' if one.has_route or not one.next_hop else f' ({way})'}"
    return f"from {named(one.node, one.name)}: {one.rtt_ms:.2f} ms, {quantity(one.hops or 0, 'hop')}, {way}"


def detour(way: "WayInfo") -> str:
    """Returns how packets leave for a node to which there is no route."""
    if way.waypoint is None:
        return f"sent to {way.next_hop}, which has told of it"
    what = "its home" if way.waypoint in way.homes else "the waypoint of both ends"
    return f"sent towards {what}, {way.waypoint}"


def named(node: str, name: str | None) -> str:
    """Returns a node's name with its address, or that alone."""
    return f"{name} ({node})" if name else node


def echo_folded(line: str) -> None:
    """Prints a line, on a narrow terminal as several that cut no word."""
    room = terminal_width()
    if room is None or len(line) <= room:
        click.echo(line)
        return
    click.echo(textwrap.fill(line, room, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))


def _way(one: "SessionInfo") -> str:
    if one.direct:
        return "direct"
    return f"via {one.next_hop or 'nobody'}" + (f" towards {one.waypoint}" if one.waypoint else "")


def _ms(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds:.2f}"


def _link_cell(text: str, index: int) -> str:
    """Returns what is said once of a link, in the row of its first path."""
    return text if index == 0 else ""


_HOP_COLUMNS: Final[tuple[Column["HopInfo"], ...]] = (
    Column("Hop", lambda one: str(one.hop), is_number=True, must_show=True),
    Column("Node", lambda one: one.node or "no answer", must_show=True),
    Column("Name", lambda one: one.name or ""),
    Column("Least ms", lambda one: _ms(one.least_ms), is_number=True, must_show=True),
    Column("Median", lambda one: _ms(one.median_ms), is_number=True, must_show=True),
    Column("Answers", lambda one: f"{one.answered} of 3", must_show=True),
    Column("Error", lambda one: one.error or "", must_show=True),
)
_LINK_COLUMNS: Final[tuple[Column["tuple[LinkInfo, int]"], ...]] = (
    Column("Neighbour", lambda row: _link_cell(row[0].address, row[1]), must_show=True),
    Column("Name", lambda row: _link_cell(row[0].name or "", row[1])),
    Column("State", lambda row: row[0].state if row[1] == 0 else row[0].paths[row[1]].state, must_show=True),
    Column("RTT ms", lambda row: _ms(row[0].paths[row[1]].rtt_ms), is_number=True, must_show=True),
    Column(
        "Loss",
        lambda row: _link_cell("" if row[0].loss is None else f"{row[0].loss:.1%}", row[1]),
        is_number=True,
        must_show=True,
    ),
    Column("Nodes", lambda row: _link_cell(str(row[0].routes), row[1]), is_number=True, must_show=True),
    Column("Path", lambda row: row[0].paths[row[1]].endpoint, must_show=True),
    Column("MTU", lambda row: str(row[0].paths[row[1]].mtu), is_number=True),
    Column("Sent", lambda row: size(row[0].paths[row[1]].tx_bytes), is_number=True),
    Column("Received", lambda row: size(row[0].paths[row[1]].rx_bytes), is_number=True),
    Column(
        "Up for", lambda row: _link_cell("" if row[0].up_s is None else duration(row[0].up_s), row[1]), is_number=True
    ),
    Column("Cost", lambda row: _link_cell(cost_ms(row[0].cost), row[1]), is_number=True),
)
_SESSION_COLUMNS: Final[tuple[Column["SessionInfo"], ...]] = (
    Column("Node", lambda one: one.node, must_show=True),
    Column("Name", lambda one: one.name or ""),
    Column("State", lambda one: one.state, must_show=True),
    Column("Idle for", lambda one: duration(one.idle_s), is_number=True, must_show=True),
    Column("Loss", lambda one: f"{one.loss:.1%}", is_number=True),
    Column("Way", lambda one: _way(one), must_show=True),
    Column("Sent", lambda one: size(one.sealed_bytes), is_number=True),
    Column("Trains", lambda one: str(one.opened_trains), is_number=True),
    Column("Keys for", lambda one: "" if one.keys_s is None else duration(one.keys_s), is_number=True),
    Column("Waiting", lambda one: str(one.queued_packets), is_number=True),
)
