"""Commands that call a running daemon: `mycelium peers`, `mycelium routes`, `mycelium status`, `mycelium events`."""

import time
from typing import TYPE_CHECKING, Final

import click
import msgspec

from mycelium.cli import options
from mycelium.cli.output import duration, print_fields, print_json, print_table, size

if TYPE_CHECKING:
    from mycelium.admin.control import EventInfo, PeerInfo, RouteInfo
    from mycelium.api.client import ApiClient

_WAIT_S: Final = 5.0  # for the next event, per call


@click.group(no_args_is_help=False)
@options.client
def peers() -> None:
    """Show, add and remove the peers of a running daemon."""


@peers.command("list")
@options.client
@options.as_json
@click.pass_context
def list_peers(context: click.Context, as_json: bool) -> None:
    """List all peers and their state."""
    found = _daemon(context).peers()
    if as_json:
        print_json(found)
        return
    columns = ("Peer", "Type", "State", "Address", ">RTT", ">Loss", ">Sent", ">Received", ">Known for")
    print_table(columns, [_peer_row(peer) for peer in found])


@peers.command("add")
@options.client
@options.as_json
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@click.pass_context
def add_peers(context: click.Context, urls: tuple[str, ...], as_json: bool) -> None:
    """Add peers until the daemon stops."""
    daemon = _daemon(context)
    for url in urls:
        daemon.add_peer(url)
    if as_json:
        print_json({"added": urls})


@peers.command("remove")
@options.client
@options.as_json
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@click.pass_context
def remove_peers(context: click.Context, urls: tuple[str, ...], as_json: bool) -> None:
    """Remove peers until the daemon starts again."""
    daemon = _daemon(context)
    for url in urls:
        daemon.remove_peer(url)
    if as_json:
        print_json({"removed": urls})


@click.group(no_args_is_help=False)
@options.client
def routes() -> None:
    """Show the routes of a running daemon."""


@routes.command
@options.client
@options.as_json
@click.pass_context
def selected(context: click.Context, as_json: bool) -> None:
    """List the routes in use."""
    _print_routes(_daemon(context).routes_selected(), as_json=as_json)


@routes.command
@options.client
@options.as_json
@click.pass_context
def fallback(context: click.Context, as_json: bool) -> None:
    """List the alternative routes."""
    _print_routes(_daemon(context).routes_fallback(), as_json=as_json)


@click.command
@options.client
@options.as_json
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Show the state of a running daemon, and its metrics that are not 0."""
    daemon = _daemon(context)
    found = daemon.status()
    if as_json:
        print_json(found)
        return
    print_fields(
        [
            ("Address:", found.node_ip),
            ("Public key:", found.node_pubkey),
            ("Version:", found.version),
            ("Running for:", duration(found.uptime_s)),
            ("Interface:", found.tun or "none"),
            ("Listening:", ", ".join(found.listening) or "nowhere"),
            ("Peers:", f"{found.peers_alive} of {found.peers_total} alive"),
            ("Routes:", found.routes),
            ("Sessions:", found.sessions),
        ]
    )
    metrics = [(metric.name, metric.value, metric.help) for metric in daemon.metrics() if metric.value]
    if metrics:
        click.echo()
        print_table(("Metric", ">Value", "Meaning"), metrics)


@click.command
@options.client
@options.as_json
@click.option("--follow", "-f", is_flag=True, help="Continue with new events; with --json, one object per line.")
@click.pass_context
def events(context: click.Context, as_json: bool, follow: bool) -> None:
    """Show what happened to links, peers, sessions and routes, and why."""
    daemon = _daemon(context)
    found = daemon.events(0)
    if as_json and not follow:
        print_json(found)
        return
    newest = _print_events(found, 0, as_json=as_json)
    while follow:
        newest = _print_events(daemon.events(newest, wait_s=_WAIT_S), newest, as_json=as_json)


def _print_events(found: "list[EventInfo]", newest: int, *, as_json: bool) -> int:
    """Prints one line per event; returns the sequence of the newest."""
    from mycelium.admin.event_text import describe

    for event in found:
        if as_json:
            click.echo(msgspec.json.encode(event))
        else:
            click.echo(f"{_moment(event.time)} {describe(event)}")
        newest = event.sequence
    return newest


def _moment(seconds: float) -> str:
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(seconds))}.{int(seconds * 1_000) % 1_000:03}"


def _daemon(context: click.Context) -> "ApiClient":
    from mycelium.admin import config
    from mycelium.admin.private_file import read_api_token
    from mycelium.api.client import ApiClient

    settings = config.load(options.given(context))
    token_file = settings.api_token_file
    needs_token = token_file is not None and not settings.api_addr.is_unix
    return ApiClient(settings.api_addr, token=read_api_token(token_file) if token_file and needs_token else None)


def _peer_row(peer: "PeerInfo") -> tuple[str, ...]:
    return (
        peer.url or f"{peer.endpoint.proto}://{peer.endpoint.addr}",
        peer.type,
        peer.connection_state,
        peer.address or "",
        "" if peer.rtt_ms is None else f"{peer.rtt_ms:.2f} ms",
        "" if peer.loss is None else f"{peer.loss:.1%}",
        size(peer.tx_bytes),
        size(peer.rx_bytes),
        duration(peer.discovered),
    )


def _print_routes(found: "list[RouteInfo]", *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        rows = [(route.subnet, route.next_hop, route.metric, route.seqno) for route in found]
        print_table(("Subnet", "Next hop", ">Metric", ">Seqno"), rows)
