"""The API of the daemon that a command line means."""

from typing import TYPE_CHECKING

import click

from mycelium.cli import options

if TYPE_CHECKING:
    from mycelium.api.client import ApiClient


def connect(context: click.Context) -> "ApiClient":
    """Returns a client for the address that flags, environment or configuration file name; nothing is asked of it yet."""
    from mycelium.admin import config
    from mycelium.admin.private_file import read_api_token
    from mycelium.api.client import ApiClient

    settings = config.load(options.given(context))
    token_file = settings.api_token_file
    needs_token = token_file is not None and not settings.api_addr.is_unix
    return ApiClient(settings.api_addr, token=read_api_token(token_file) if token_file and needs_token else None)
