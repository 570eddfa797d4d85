"""The commands of the command line, its exit statuses, and errors as one line on standard error."""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Final

import click

from mycelium import __version__
from mycelium.cli import options
from mycelium.cli.capture import capture, dissect
from mycelium.cli.completion import completion
from mycelium.cli.config import config
from mycelium.cli.diagnosis import explain, links, ping, sessions, trace
from mycelium.cli.doctor import doctor
from mycelium.cli.exit_status import FAILURE, USAGE, status_of
from mycelium.cli.foreign_commands import proxy, queried, stats
from mycelium.cli.invite import invite
from mycelium.cli.join import join
from mycelium.cli.keys import generate_keys, generate_network_key, import_key, inspect
from mycelium.cli.manual import manual
from mycelium.cli.mesh import mesh
from mycelium.cli.network import network
from mycelium.cli.output import print_json
from mycelium.cli.page import page
from mycelium.cli.parsing import DefaultGroup
from mycelium.cli.peers import peers
from mycelium.cli.policy import policy
from mycelium.cli.reload import reload
from mycelium.cli.remote import events, routes, status
from mycelium.cli.run import run
from mycelium.cli.service import service
from mycelium.cli.speedtest import speedtest
from mycelium.cli.standard_streams import open_missing
from mycelium.cli.top import top
from mycelium.errors import MyceliumError

_INTERRUPTED: Final = 130  # exit status by which a shell tells of SIGINT
_READER_GONE: Final = 141  # exit status by which a shell tells of SIGPIPE
_TRACEBACK: Final = "MYCELIUM_TRACEBACK"
_VERSION: Final = f"mycelium {__version__}"


@click.group(
    cls=DefaultGroup,
    default_command="run",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Without a command, it runs the daemon: see 'mycelium run --help'. The exit status is 0 if all was done, 1 if "
    "something failed, 2 for a mistake in the command line or the settings, 3 if no daemon answers, and 4 if a node can't be "
    "reached.",
)
@options.general
@click.version_option(__version__, "--version", "-V", package_name="mycelium-mesh", message=_VERSION)
def cli() -> None:
    """A self-healing, end-to-end encrypted IPv6 mesh overlay network."""


@click.command
@options.as_json
def version(as_json: bool) -> None:
    """Show the version."""
    if as_json:
        print_json({"version": __version__})
    else:
        click.echo(_VERSION)


@click.command("help")
@click.argument("names", metavar="[COMMAND]...", nargs=-1)
@click.pass_context
def help_(context: click.Context, names: tuple[str, ...]) -> None:
    """Show the help of a command."""
    found: click.Command = cli
    at = context.find_root()
    for name in names:
        inner = found.get_command(at, name) if isinstance(found, click.Group) else None
        if inner is None:
            raise click.UsageError(f"No such command {' '.join(names)!r}.", at)
        found, at = inner, click.Context(inner, at, info_name=name)
    click.echo(found.get_help(at))


for _command in (
    run,
    status,
    peers,
    routes,
    explain,
    ping,
    trace,
    speedtest,
    links,
    mesh,
    sessions,
    top,
    doctor,
    policy,
    capture,
    dissect,
    page,
    events,
    inspect,
    generate_keys,
    import_key,
    generate_network_key,
    reload,
    network,
    invite,
    join,
    service,
    config,
    completion,
    manual,
    version,
    help_,
):
    cli.add_command(_command)
routes.add_command(explain)
for _command in (proxy, stats):
    cli.add_command(_command)
routes.add_command(queried)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line, that of `sys.argv` by default, and returns the exit status."""
    open_missing()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what a terminal's encoding lacks is no reason to print nothing
    try:
        return cli.main(arguments, prog_name="mycelium", standalone_mode=False) or 0
    except (
        SystemExit
    ) as end:  # click exits by itself where a shell's question is answered, or the reader is gone (EPIPE)
        return _READER_GONE if end.code else 0
    except click.UsageError as error:
        return _complain(_usage(error), USAGE)
    except click.ClickException as error:
        return _complain(error.format_message(), FAILURE)
    except click.Abort:
        return _INTERRUPTED
    except MyceliumError as error:
        return _complain(str(error), status_of(error))
    except OSError as error:
        where = "standard output" if _drop_unwritable_output() else error.filename
        return _complain(f"{f'{where}: ' if where else ''}{error.strerror or error}", FAILURE)
    except Exception as error:
        if _TRACEBACK in os.environ:
            raise
        return _complain(f"internal error: {type(error).__name__}: {error} ({_TRACEBACK}=1 shows where)", FAILURE)


def _drop_unwritable_output() -> bool:
    """Drops what a full disk keeps from being written, and the interpreter would try once more; tells whether there was any."""
    try:
        sys.stdout.flush()
    except OSError:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return True
    return False


def _usage(error: click.UsageError) -> str:
    """Returns what is wrong with a command line; for a flag of the Rust implementation, what to write instead."""
    from mycelium.admin.foreign import foreign_flag

    sentence = foreign_flag(error.option_name) if isinstance(error, click.NoSuchOption) else None
    hint = f" (see '{error.ctx.command_path} --help')" if error.ctx is not None else ""
    return sentence or error.format_message().rstrip(".") + hint


def _complain(reason: str, status: int) -> int:
    click.echo(f"mycelium: {' '.join(reason.split())}", err=True)
    return status
