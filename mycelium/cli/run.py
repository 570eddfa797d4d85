"""`mycelium [run]` runs the daemon."""

import click

from mycelium.cli import options
from mycelium.cli.parsing import ManyValuesCommand


@click.command(cls=ManyValuesCommand)
@options.together(
    options.peers,
    options.listen,
    options.proxy,
    options.tls_certificate,
    options.tls_key,
    options.firewall_mark,
    options.tun_name,
    options.no_tun,
    options.no_quic,
    options.no_dscp,
    options.no_shortcuts,
    options.no_relay_leases,
    options.no_port_mapping,
    options.auto_peers,
    options.disable_peer_discovery,
    options.peer_discovery_interface,
    options.peer_discovery_port,
    options.name,
    options.network_name,
    options.network_key_file,
    options.domain,
    options.hosts_file,
    options.api_addr,
    options.api_token_file,
    options.metrics_api_address,
    options.jsonrpc_addr,
    options.tcp_listen_port,
    options.quic_listen_port,
    options.disable_quic,
    options.update_workers,
    options.key_file,
    options.config_file,
    options.debug,
    options.silent,
    options.log_format,
)
@click.pass_context
def run(context: click.Context) -> int:
    """Run a node of the mesh (the default command)."""
    from mycelium.admin import config, logs

    if options.wants_json(context):
        raise click.UsageError(
            "--json is for commands that print something; the daemon logs: see --log-format", context
        )
    settings = config.load(options.given(context))
    logs.configure(settings.debug, settings.log_format, silent=settings.silent)
    from mycelium.daemon import daemon  # here, because it loads every layer: only once the settings are valid

    return daemon.run(settings)
