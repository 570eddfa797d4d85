"""Commands that call a running daemon: `mycelium routes`, `mycelium status`, `mycelium events`."""

from typing import TYPE_CHECKING, Final

import click

from mycelium.admin.table import Column
from mycelium.cli import options
from mycelium.cli.connection import connect
from mycelium.cli.keys import NO_FINGERPRINT
from mycelium.cli.output import cost_ms, duration, moment, print_fields, print_json, print_table
from mycelium.cli.parsing import DefaultGroup

if TYPE_CHECKING:
    from mycelium.admin.control import EventInfo, MetricInfo, RouteInfo, StatusInfo
    from mycelium.api.client import ApiClient

_TROUBLES: Final = 3  # that status names
_WAIT_S: Final = 5.0  # how long one call waits for the next event


@click.group(cls=DefaultGroup, default_command="selected", no_args_is_help=False)
@options.client_group
def routes() -> None:
    """List the routes of a running daemon."""


@routes.command
@options.client
@options.as_json
@click.pass_context
def selected(context: click.Context, as_json: bool) -> None:
    """List the routes in use."""
    _print_routes(connect(context).routes_selected(), as_json=as_json)


@routes.command
@options.client
@options.as_json
@click.pass_context
def fallback(context: click.Context, as_json: bool) -> None:
    """List the alternative routes."""
    _print_routes(connect(context).routes_fallback(), as_json=as_json)


@click.command
@options.client
@options.as_json
@click.option("--verbose", "-v", is_flag=True, help="Show also the metrics that are not 0.")
@click.pass_context
def status(context: click.Context, as_json: bool, verbose: bool) -> None:
    """Show the state of a running daemon."""
    daemon = connect(context)
    found = daemon.status()
    if as_json:
        print_json(found)
        return
    print_fields(
        [
            ("Address:", found.node_ip),
            ("Public key:", found.node_pubkey),
            ("Fingerprint:", found.fingerprint or NO_FINGERPRINT),
            *(("State:" if index == 0 else "", line) for index, line in enumerate(_state(daemon, found))),
            ("Version:", found.version),
            ("Running for:", duration(found.uptime_s)),
            ("Interface:", found.tun or "none"),
            ("Policy:", found.policy),
            *([("Member:", found.member)] if found.member else []),
            *(("Listening:" if index == 0 else "", url) for index, url in enumerate(found.listening or ["nowhere"])),
            *(("Seen at:" if index == 0 else "", url) for index, url in enumerate(found.seen_at)),
            *([("NAT mapping:", found.nat_mapping)] if found.seen_at else []),
            ("Leases:", f"none: {found.no_leases}" if found.no_leases else f"{found.leases_given} given"),
            ("Port mapping:", found.port_mapping),
            ("Peers:", f"{found.peers_alive} of {found.peers_total} alive"),
            (
                "Routes:",
                f"{found.routes}, the nearest; other nodes are looked up" if found.is_table_full else found.routes,
            ),
            *([("Landmarks:", found.landmarks)] if found.landmarks else []),
            *(("At home at:" if index == 0 else "", one) for index, one in enumerate(found.home)),
            ("Sessions:", found.sessions),
        ]
    )
    metrics = [metric for metric in daemon.metrics() if metric.value] if verbose else []
    if metrics:
        click.echo()
        print_table(_METRIC_COLUMNS, metrics)


def _state(daemon: "ApiClient", status: "StatusInfo") -> list[str]:
    """Returns what is not as it should be, a line each."""
    from mycelium.admin.checkup import NodeFacts, troubles

    found = troubles(NodeFacts(status, daemon.peers(), daemon.links()))
    if not found:
        return ["well"]
    more = len(found) - _TROUBLES
    named = [f"{one.level.value}: {one.text}" for one in found[:_TROUBLES]]
    return [*named, f"{f'{more} more; ' if more > 0 else ''}what to do: mycelium doctor"]


@click.command
@options.client
@options.as_json
@click.option("--follow", "-f", is_flag=True, help="Continue with new events; with --json, one object per line.")
@click.pass_context
def events(context: click.Context, as_json: bool, follow: bool) -> None:
    """Show what happened to links and routes, and why."""
    daemon = connect(context)
    found = daemon.events(0)
    if as_json and not follow:
        print_json(found)
        return
    newest = _print_events(found, 0, as_json=as_json)
    while follow:
        newest = _print_events(daemon.events(newest, wait_s=_WAIT_S), newest, as_json=as_json)


def _print_events(found: "list[EventInfo]", newest: int, *, as_json: bool) -> int:
    """Prints one line per event; returns the sequence of the newest."""
    from msgspec.json import encode

    from mycelium.admin.event_text import describe

    for event in found:
        if as_json:
            click.echo(encode(event))
        else:
            click.echo(f"{moment(event.time)} {describe(event)}")
        newest = event.sequence
    return newest


def _print_routes(found: "list[RouteInfo]", *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        print_table(_ROUTE_COLUMNS, found)


_ROUTE_COLUMNS: Final[tuple[Column["RouteInfo"], ...]] = (
    Column("Subnet", lambda route: route.subnet, must_show=True),
    Column("Name", lambda route: route.name or "", must_show=True),
    Column("Next hop", lambda route: route.next_hop, must_show=True),
    Column("Cost", lambda route: cost_ms(route.cost, none="infinite"), is_number=True, must_show=True),
    Column("Seqno", lambda route: str(route.sequence), is_number=True),
)
_METRIC_COLUMNS: Final[tuple[Column["MetricInfo"], ...]] = (
    Column("Metric", lambda metric: metric.name, must_show=True),
    Column("Value", lambda metric: str(metric.value), is_number=True, must_show=True),
    Column("Meaning", lambda metric: metric.help, must_show=True),
)
