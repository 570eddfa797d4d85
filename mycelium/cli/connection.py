"""The API of the daemon that a command line means."""

from typing import TYPE_CHECKING, Final

import click

from mycelium.cli import options

if TYPE_CHECKING:
    from mycelium.api.client import ApiClient

ANSWER_S: Final = 10.0  # within which the daemon answers most calls


def connect(context: click.Context, *, timeout_s: float = ANSWER_S) -> "ApiClient":
    """Returns a client for the address that flags, environment or configuration file name; nothing is asked of it yet."""
    from mycelium.admin import config
    from mycelium.admin.private_file import read_api_token
    from mycelium.api.client import ApiClient

    settings = config.load(options.given(context))
    token_file = settings.api_token_file
    needs_token = token_file is not None and not settings.api_addr.is_unix
    token = read_api_token(token_file) if token_file and needs_token else None
    return ApiClient(settings.api_addr, token=token, timeout_s=timeout_s)
