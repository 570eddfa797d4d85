"""The flags that several commands share.

Rust users write global flags before the subcommand, others behind it: each flag that was really given, wherever it stood,
is put into one mapping by its settings name, which `config.load` understands.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

_Command = TypeVar("_Command", bound=Callable[..., Any] | click.Command)


def given(context: click.Context) -> dict[str, Any]:
    """Returns what was given on this command line so far; the last of two equal flags counts."""
    values: dict[str, Any] = context.find_root().ensure_object(dict)
    return values


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    assert parameter.name is not None
    source = context.get_parameter_source(parameter.name)
    if source is ParameterSource.COMMANDLINE:
        given(context)[parameter.name] = list(value) if parameter.multiple else value
    elif source is ParameterSource.ENVIRONMENT:
        given(context).setdefault(parameter.name, value)


def _flag(*names: str, **attributes: Any) -> Callable[[_Command], _Command]:
    return click.option(*names, expose_value=False, callback=_remember, **attributes)


config_file = _flag("--config-file", "-c", metavar="FILE", help="TOML file with the same settings as the flags.")
key_file = _flag("--key-file", "-k", metavar="FILE", help="The node's secret key.")
debug = _flag("--debug", "-d", is_flag=True, help="Log details.")
silent = _flag("--silent", is_flag=True, help="Log errors only.")
log_format = _flag("--log-format", metavar="FORMAT", help="compact, logfmt, plain or json.")
peers = _flag("--peers", multiple=True, metavar="URL...", help="Nodes to connect to: udp://host:port[#publickey].")
listen = _flag("--listen", multiple=True, metavar="URL...", help="Where to be reached; udp://[::]:9651 unless given.")
tun_name = _flag("--tun-name", metavar="NAME", help="Name of the TUN interface.")
no_tun = _flag("--no-tun", is_flag=True, help="Only relay for others; needs no privileges.")
disable_peer_discovery = _flag("--disable-peer-discovery", is_flag=True, help="Find no neighbours on the local links.")
peer_discovery_interfaces = _flag(
    "--peer-discovery-interface",
    "peer_discovery_interfaces",
    multiple=True,
    metavar="NAME...",
    help="Interfaces to find neighbours on; every one that has link-local multicast unless given.",
)
peer_discovery_port = _flag(
    "--peer-discovery-port", metavar="PORT", help="UDP port for finding neighbours; 9650 unless given."
)
network_name = _flag("--network-name", metavar="NAME", help="Name of a private network.")
network_key_file = _flag("--network-key-file", metavar="FILE", help="Key that all nodes of a private network share.")
api_token_file = _flag(
    "--api-token-file",
    metavar="FILE",
    envvar="MYCELIUM_API_TOKEN_FILE",
    help="Token that calls of the API over TCP need.",
)
api_addr = _flag("--api-addr", metavar="ADDRESS", help="The daemon's API: host:port or unix:/path.")
client_api_addr = _flag(
    "--api-addr", metavar="ADDRESS", envvar="MYCELIUM_API_ADDR", help="The daemon's API: host:port or unix:/path."
)

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def together(*options: Callable[[Any], Any]) -> Callable[[_Command], _Command]:
    """Returns one decorator that adds all these options, the first on top of the help."""

    def decorate(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


general = together(config_file, key_file, debug, silent, log_format, api_addr)
client = together(client_api_addr, api_token_file, config_file)
