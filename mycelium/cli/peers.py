"""`mycelium peers`: the peer list of a running daemon."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import click

from mycelium.admin.table import Column
from mycelium.cli import options
from mycelium.cli.connection import connect
from mycelium.cli.exit_status import status_of
from mycelium.cli.output import cost_ms, duration, is_terminal, print_json, print_table, size
from mycelium.cli.parsing import DefaultGroup
from mycelium.errors import ApiError, NoDaemon

if TYPE_CHECKING:
    from mycelium.admin.control import PeerInfo
    from mycelium.api.client import ApiClient

_PIN_DIGITS: Final = 4  # hex digits of a pinned key that a terminal shows
_ELLIPSIS: Final = "…"
_JUST_NOW_S: Final = 6.0  # the path in use is probed every 2 s, a spare one every 5 s


@click.group(cls=DefaultGroup, default_command="list", no_args_is_help=False)
@options.client_group
def peers() -> None:
    """List, add and remove the peers of a running daemon."""


@peers.command("list")
@options.client
@options.as_json
@click.pass_context
def list_peers(context: click.Context, as_json: bool) -> None:
    """List all peers and their state.

    RTT is the round trip on the wire; Loss the share of what was sent to the peer in the last minute that did not
    arrive; Cost what routing reckons with, in ms: half the round trip and 0.3 ms, more where frames are lost.
    """
    found = connect(context).peers()
    if as_json:
        print_json(found)
    elif is_terminal():
        print_table(_COLUMNS, found)
        troubled = [peer for peer in found if _what_is_wrong(peer)]
        for number, peer in enumerate(troubled):
            click.echo(("" if number else "\n") + _trouble(peer))
    else:
        print_table((*_COLUMNS, *_TROUBLE_COLUMNS), found)


@peers.command("add")
@options.client
@options.as_json
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@click.pass_context
def add_peers(context: click.Context, urls: tuple[str, ...], as_json: bool) -> int:
    """Add peers until the daemon stops."""
    return _for_each(urls, connect(context).add_peer, "added", as_json=as_json)


@peers.command("remove")
@options.client
@options.as_json
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@click.pass_context
def remove_peers(context: click.Context, urls: tuple[str, ...], as_json: bool) -> int:
    """Remove peers until the daemon starts again."""
    daemon = connect(context)
    return _for_each(urls, lambda url: daemon.remove_peer(_whole_url(url, daemon)), "removed", as_json=as_json)


def _for_each(urls: tuple[str, ...], call: Callable[[str], None], done: str, *, as_json: bool) -> int:
    """Makes a call for each URL, whatever becomes of the others, and says which succeeded; returns the exit status."""
    succeeded: list[str] = []
    failed: list[dict[str, str]] = []
    status = 0
    for url in urls:
        try:
            call(url)
        except NoDaemon:
            raise
        except ApiError as error:
            click.echo(f"mycelium: {error}", err=True)
            failed.append({"url": url, "error": str(error)})
            status = max(status, status_of(error))
        else:
            succeeded.append(url)
            if not as_json:
                click.echo(f"{done} {url}")
    if as_json:
        print_json({done: succeeded, "failed": failed})
    return status


def _shown_url(url: str) -> str:
    """Returns a URL as `peers remove` takes it back: on a terminal its pin is abbreviated, as in #25b7…"""
    place, mark, pin = url.partition("#")
    return f"{place}#{pin[:_PIN_DIGITS]}{_ELLIPSIS}" if mark and is_terminal() else url


def _whole_url(url: str, daemon: "ApiClient") -> str:
    """Returns the URL that a shown one, with its abbreviated pin, stands for; raises ApiError where that is not one peer."""
    if not url.endswith(_ELLIPSIS):
        return url
    start = url.removesuffix(_ELLIPSIS)
    matching = [peer.url for peer in daemon.peers() if peer.url is not None and peer.url.startswith(start)]
    if len(matching) == 1:
        return matching[0]
    raise ApiError(f"{len(matching) or 'no'} peers begin with {start}: 'mycelium peers list --json' has the whole URLs")


def _trouble(peer: "PeerInfo") -> str:
    """Says why a peer has no link, and when it is tried again, or that two hosts have its key."""
    again = "" if peer.next_attempt_s is None else f"; tried again in {duration(peer.next_attempt_s)}"
    return f"{_shown_place(peer)}: {_what_is_wrong(peer)}{again}"


def _what_is_wrong(peer: "PeerInfo") -> str:
    return peer.last_error or peer.key_shared or ""


def _shown_place(peer: "PeerInfo") -> str:
    """Returns the peer's URL, or where it is if it has none."""
    return _shown_url(peer.url or f"{peer.endpoint.scheme}://{peer.endpoint.socket_addr}")


def _round_trip(peer: "PeerInfo") -> str:
    """Writes a round trip, and when it was measured unless that was just now."""
    if peer.rtt_ms is None:
        return ""
    is_old = peer.rtt_age_s is not None and peer.rtt_age_s > _JUST_NOW_S
    return f"{peer.rtt_ms:.2f} ms" + (f", {duration(peer.rtt_age_s or 0)} ago" if is_old else "")


_COLUMNS: Final[tuple[Column["PeerInfo"], ...]] = (
    Column(
        "Peer",
        _shown_place,
        must_show=True,
    ),
    Column("Name", lambda peer: peer.name or "", must_show=True),
    Column("State", lambda peer: peer.connection_state, must_show=True),
    Column("RTT", lambda peer: _round_trip(peer), is_number=True),
    Column("Loss", lambda peer: "" if peer.loss is None else f"{peer.loss:.1%}", is_number=True),
    Column("Cost", lambda peer: cost_ms(peer.cost), is_number=True),
    Column("Address", lambda peer: peer.address or "", must_show=True),
    Column("Sent", lambda peer: "" if peer.address is None else size(peer.tx_bytes), is_number=True),
    Column("Received", lambda peer: "" if peer.address is None else size(peer.rx_bytes), is_number=True),
    Column("Known for", lambda peer: duration(peer.discovered), is_number=True),
    Column("Type", lambda peer: peer.origin),
)
_TROUBLE_COLUMNS: Final[tuple[Column["PeerInfo"], ...]] = (  # to a pipe, where each peer is one line
    Column("Next try", lambda peer: "" if peer.next_attempt_s is None else duration(peer.next_attempt_s)),
    Column("Last error", _what_is_wrong),
)
