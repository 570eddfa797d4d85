"""The commands of the command line, and errors as one line on standard error."""

import os
from collections.abc import Sequence

import click

from mycelium import __version__
from mycelium.cli import options
from mycelium.cli.keys import generate_keys, inspect
from mycelium.cli.parsing import DefaultGroup
from mycelium.cli.peers import peers
from mycelium.cli.remote import events, routes, status
from mycelium.cli.run import run
from mycelium.errors import MyceliumError

_FAILURE = 1
_USAGE = 2
_INTERRUPTED = 130
_TRACEBACK = "MYCELIUM_TRACEBACK"


@click.group(cls=DefaultGroup, epilog="Without a command, it runs the daemon: see 'mycelium run --help'.")
@options.general
@click.version_option(__version__, message="mycelium %(version)s")
def cli() -> None:
    """A self-healing, end-to-end encrypted IPv6 mesh overlay network."""


for _command in (run, status, peers, routes, events, inspect, generate_keys):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line, that of `sys.argv` by default, and returns the exit status."""
    try:
        return cli.main(arguments, prog_name="mycelium", standalone_mode=False) or 0
    except click.UsageError as error:
        hint = f" (see '{error.ctx.command_path} --help')" if error.ctx is not None else ""
        return _complain(error.format_message().rstrip(".") + hint, _USAGE)
    except click.ClickException as error:
        return _complain(error.format_message(), _FAILURE)
    except click.Abort:
        return _INTERRUPTED
    except MyceliumError as error:
        return _complain(str(error), _FAILURE)
    except OSError as error:
        return _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error), _FAILURE)
    except Exception as error:
        if _TRACEBACK in os.environ:
            raise
        return _complain(f"internal error: {type(error).__name__}: {error} ({_TRACEBACK}=1 shows where)", _FAILURE)


def _complain(reason: str, status: int) -> int:
    click.echo(f"mycelium: {' '.join(reason.split())}", err=True)
    return status
