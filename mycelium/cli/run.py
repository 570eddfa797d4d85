"""`mycelium [run]` runs the daemon."""

import contextlib
import signal
from collections.abc import Iterator

import click

from mycelium.cli import options
from mycelium.cli.parsing import ManyValuesCommand


@click.command(cls=ManyValuesCommand)
@options.settings
@click.pass_context
def run(context: click.Context) -> int:
    """Run a node of the mesh (the default command)."""
    from mycelium.admin import config, logs

    if options.wants_json(context):
        raise click.UsageError(
            "--json is for commands that print something; the daemon logs: see --log-format", context
        )
    with _reloads_held_back():
        settings = config.load(options.given(context))
        logs.configure(settings.debug, settings.log_format, silent=settings.silent)
        from mycelium.daemon import daemon  # here, because it loads every layer: only once the settings are valid

        return daemon.run(settings)


@contextlib.contextmanager
def _reloads_held_back() -> Iterator[None]:
    """Has a SIGHUP that comes before the daemon can handle it wait for that: it would end the process."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP,))
