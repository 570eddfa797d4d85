"""`mycelium invite`: lets another host into the mesh of a running daemon."""

import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mycelium.cli import options
from mycelium.cli.connection import connect
from mycelium.cli.output import is_terminal, print_json
from mycelium.errors import LocalError
from mycelium.limits import INVITATION_USES
from mycelium.quantity import quantity

if TYPE_CHECKING:
    from mycelium.admin.control import InvitationInfo

_SPAN: Final = re.compile(r"([1-9][0-9]{0,4})([smhd])")
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@click.command
@options.client
@options.as_json
@click.option(
    "--uses", metavar="N", type=click.IntRange(1, INVITATION_USES), default=1, help="How many hosts may join by it."
)
@click.option("--expires", metavar="TIME", default="1h", help="How long it is valid, such as 30m or 7d; default 1h.")
@click.option("--name", metavar="NAME", default="", help="The name of the host that joins; default its own.")
@click.option(
    "--at",
    metavar="URL",
    multiple=True,
    help="Where the host that joins finds this one, such as hub.example.org:9651; default its addresses.",
)
@click.pass_context
def invite(context: click.Context, as_json: bool, uses: int, expires: str, name: str, at: tuple[str, ...]) -> None:
    """Print a command by which another host joins. It is good once, and shown as a QR code too."""
    from mycelium.admin.control import InvitationWish

    made = connect(context).invite(InvitationWish(list(at), name, uses, _seconds(context, expires)))
    uri = _taken(Path(made.file))
    if as_json:
        print_json({"uri": uri, "expires": made.expires})
    else:
        click.echo(f"mycelium join '{uri}'")
        if is_terminal():
            _explain(made, uri, uses)


def _seconds(context: click.Context, text: str) -> float:
    span = _SPAN.fullmatch(text)
    if span is None:
        raise click.UsageError(f"{text[:50]!r} is not a time such as 30m, 1h or 7d", context)
    return float(int(span[1]) * _UNITS_S[span[2]])


def _taken(path: Path) -> str:
    """Returns the invitation, which the daemon has left where its own user alone can read it, and removes it there."""
    try:
        uri = path.read_text(encoding="ascii").strip()
        path.unlink()
    except OSError as error:
        raise LocalError(
            f"the invitation is in {path}, which can't be read here ({error.strerror}): run this command on the daemon's host, "
            "as its user or as root"
        ) from None
    return uri


def _explain(made: "InvitationInfo", uri: str, uses: int) -> None:
    """Prints the QR code, and how long the invitation is good for."""
    try:
        import segno
    except ImportError:
        click.echo("\n(no QR code: 'pip install segno' makes them possible)")
    else:
        click.echo()
        segno.make(uri, error="l", micro=False).terminal(out=sys.stdout, compact=True)
    until = time.strftime("%Y-%m-%d %H:%M", time.localtime(made.expires))
    click.echo(f"\nGood for {quantity(uses, 'host')} until {until}. Whoever has it can join: keep it secret.")
