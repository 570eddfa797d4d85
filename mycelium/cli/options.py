"""The flags, shared by several commands.

Users of the Rust implementation write global flags before the subcommand, others behind it. So each flag that was given,
wherever it stood, is stored by its settings name in one mapping, the argument of `config.load`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

_JSON: Final = "mycelium.json"  # among what the contexts of one command line share
_Command = TypeVar("_Command", bound=Callable[..., Any] | click.Command)


def given(context: click.Context) -> dict[str, Any]:
    """Returns the flags given on this command line so far, by settings name; of two equal flags, the last counts."""
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


config_file = _flag("--config-file", "-c", metavar="FILE", help="TOML file with the flags' names as keys, without --.")
key_file = _flag("--key-file", "-k", metavar="FILE", help="The node's secret key.")
debug = _flag("--debug", "-d", is_flag=True, help="Log details too.")
silent = _flag("--silent", is_flag=True, help="Log errors only.")
log_format = _flag("--log-format", metavar="FORMAT", help="compact, logfmt, plain, json or journald.")
peers = _flag(
    "--peers",
    multiple=True,
    metavar="URL...",
    help="Peers to keep a link with: host:port[#publickey], by UDP or, where that is blocked, by TCP; or udp://, quic://, "
    "tcp:// and so on, by this alone; dns://, https:// or file: for a list of them.",
)
listen = _flag(
    "--listen",
    multiple=True,
    metavar="URL...",
    help="Addresses to listen at; default udp://[::]:9651 (quic:// too) and tcp://[::]:9651 (tls:// and wss:// too).",
)
proxy = _flag(
    "--proxy",
    metavar="URL",
    envvar="MYCELIUM_PROXY",
    help="Proxy to tcp://, tls:// and wss:// peers: http:// or socks5://[user:password@]host:port.",
)
tls_certificate = _flag(
    "--tls-certificate", metavar="FILE", help="Certificate chain shown to tls:// and wss:// peers; default self-made."
)
tls_key = _flag("--tls-key", metavar="FILE", help="The key of --tls-certificate.")
firewall_mark = _flag(
    "--firewall-mark",
    metavar="MARK",
    help="Mark of the packets sent to peers, for policy routing: a number such as 51820 or 0xca6c.",
)
tun_name = _flag("--tun-name", metavar="NAME", help="Name of the TUN interface.")
no_tun = _flag("--no-tun", is_flag=True, help="Relay for other nodes only, without privileges.")
no_quic = _flag("--no-quic", is_flag=True, help="Neither answer nor dial QUIC at the ports of UDP.")
no_dscp = _flag(
    "--no-dscp", is_flag=True, help="Do not copy the DSCP of packets to the datagrams that carry them, which shows it."
)
no_shortcuts = _flag(
    "--no-shortcuts", is_flag=True, help="Do not look for direct links with nodes whose packets pass relays."
)
no_port_mapping = _flag(
    "--no-port-mapping", is_flag=True, help="Behind a NAT, do not ask the router to let others reach this node."
)
no_relay_leases = _flag(
    "--no-relay-leases",
    is_flag=True,
    help="Do not lease UDP ports to neighbours, whose datagrams the kernel would pass on.",
)
auto_peers = _flag(
    "--auto-peers",
    metavar="N",
    help="Keep links with N more nodes, which neighbours tell of; tells others of this one too. Default 0.",
)
disable_peer_discovery = _flag("--disable-peer-discovery", is_flag=True, help="Do not find neighbours on local links.")
peer_discovery_interface = _flag(
    "--peer-discovery-interface",
    multiple=True,
    metavar="NAME...",
    help="Interfaces to find neighbours on; default all with link-local multicast.",
)
peer_discovery_port = _flag(
    "--peer-discovery-port", metavar="PORT", help="UDP port for finding neighbours; default 9650."
)
name = _flag("--name", metavar="NAME", help="What other nodes of a private network call this one, such as berlin.")
network_name = _flag("--network-name", metavar="NAME", help="Name of a private network.")
network_key_file = _flag("--network-key-file", metavar="FILE", help="Key shared by all nodes of a private network.")
domain = _flag("--domain", metavar="DOMAIN", help="Domain of the names of nodes, as in berlin.corp.myc; default myc.")
hosts_file = _flag(
    "--hosts-file",
    metavar="FILE",
    help="Write the names of nodes into FILE, such as /etc/hosts, where systemd-resolved does not ask for them.",
)
api_token_file = _flag(
    "--api-token-file",
    metavar="FILE",
    envvar="MYCELIUM_API_TOKEN_FILE",
    help="Token that API calls over TCP need.",
)
api_addr = _flag("--api-addr", metavar="ADDRESS", help="Address of the daemon's API: host:port or unix:/path.")
metrics_api_address = _flag(
    "--metrics-api-address",
    metavar="ADDRESS",
    help="Address for Prometheus alone, at /metrics; the API has them too.",
)
jsonrpc_addr = _flag(
    "--jsonrpc-addr", metavar="ADDRESS", help="Address for JSON-RPC as the Rust Mycelium has it; default none."
)
# Of the Rust implementation, so that what starts it starts this one: `admin.aliases` says what they are here.
tcp_listen_port = _flag("--tcp-listen-port", "-t", metavar="PORT", hidden=True)
quic_listen_port = _flag("--quic-listen-port", "-q", metavar="PORT", hidden=True)
disable_quic = _flag("--disable-quic", is_flag=True, hidden=True)
update_workers = _flag("--update-workers", metavar="N", hidden=True)
client_api_addr = _flag(
    "--api-addr",
    metavar="ADDRESS",
    envvar="MYCELIUM_API_ADDR",
    help="Address of the daemon's API: host:port or unix:/path.",
)


def wants_json(context: click.Context, parameter: click.Parameter | None = None, value: bool = False) -> bool:
    """Tells whether `--json` was given so far, before the command or behind it."""
    context.meta[_JSON] = value or context.meta.get(_JSON, False)
    return bool(context.meta[_JSON])


_json = partial(click.option, "--json", "as_json", is_flag=True, callback=wants_json, help="Print JSON.")
as_json = _json()
json_of_command = _json(expose_value=False)


def together(*options: Callable[[Any], Any]) -> Callable[[_Command], _Command]:
    """Returns one decorator that adds all these options, in this order in the help."""

    def decorate(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


general = together(config_file, key_file, debug, silent, log_format, api_addr, json_of_command)
client = together(client_api_addr, api_token_file, config_file)
client_with_count = together(
    client_api_addr,
    api_token_file,
    _flag("--config-file", metavar="FILE", help="As for other commands, which take -c too."),
)
client_group = together(client, json_of_command)
