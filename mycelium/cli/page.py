"""`mycelium page`: where a browser finds the page of a running daemon."""

from typing import Final

import click

from mycelium.cli import options
from mycelium.cli.connection import connect
from mycelium.cli.output import print_json
from mycelium.errors import ApiError

_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@click.command
@options.client
@options.as_json
@click.option("--open", "opens", is_flag=True, help="Open it in this host's browser.")
@click.pass_context
def page(context: click.Context, opens: bool, as_json: bool) -> None:
    """Show where a browser finds the daemon's page. It has a map of the mesh, links and events."""
    from mycelium.admin import config
    from mycelium.admin.api_address import ApiAddress

    connect(context).admin()
    settings = config.load(options.given(context))
    address = settings.api_addr
    if address.is_unix:
        raise ApiError(
            f"browsers can't open {address}: on the browser's host, ssh -N -L 8989:{address.path} HOST brings it to "
            "http://127.0.0.1:8989/, or start the daemon with --api-addr 127.0.0.1:8989"
        )
    url = f"http://{ApiAddress(_ANY.get(address.host, address.host), address.port)}/"
    if as_json:
        print_json({"url": url})
    else:
        click.echo(url)
    if settings.api_token_file is not None:
        click.echo(f"It asks for the token in {settings.api_token_file}.", err=True)
    if opens and click.launch(url):
        raise ApiError("no browser could be started on this host")
