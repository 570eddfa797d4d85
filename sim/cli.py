"""`mycelium-sim`: runs scenarios on meshes of any size, lists topologies and scenarios, and sweeps over parameters."""

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

import click
import msgspec
from rich.console import Console

from mycelium import __version__
from mycelium.admin.table import Column
from mycelium.errors import ConfigError, MyceliumError

from .graphs.topology import list_topologies
from .model.cli import model_command
from .play import scenario as scenarios
from .play.record_files import RecordFiles
from .play.run import FIDELITIES, ROUTING, Run, RunSpec
from .report.progress import Progress
from .report.terminal import print_line, print_table
from .report.words import typed
from .sweep.cli import sweep_command

RECORDS: Final = "run.jsonl"
VIOLATION: Final = "violation.json"
_FAILURE: Final = 1
_USAGE: Final = 2
_READER_GONE: Final = 141  # exit status by which a shell tells of SIGPIPE


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="The exit status is 0 if all went as promised, 1 if not, and 2 for a mistake in the command line or a file.",
)
@click.version_option(__version__, "--version", "-V", message="mycelium-sim %(version)s")
def cli() -> None:
    """Simulates meshes of thousands of nodes, which run the daemon's own code, in virtual time."""


@cli.command()
@click.option("--topology", default="ba:m=2", show_default=True, help="NAME[:key=value,...] or file:PATH; see list.")
@click.option(
    "--nodes", type=int, default=100, show_default=True, help="Number of nodes, unless the topology is a file."
)
@click.option(
    "--scenario", default="start", show_default=True, help="NAME or FILE.toml or FILE.py, then [:key=value,...]."
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same run.")
@click.option("--fidelity", type=click.Choice(FIDELITIES), default=ROUTING, show_default=True,
              help="Routing engines joined by modelled links, or whole nodes.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE,...",
              help="Parameters of links (loss=0.01), routing (batch_s=0.01) or checks (black_hole_s=5).")  # fmt: skip
@click.option(
    "--json", "json_file", metavar="FILE", help="Write the records to a file as JSON lines; - is standard output."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write records, plots and an HTML page to this folder.",
)
@click.option("--quiet", is_flag=True, help="No progress bar, no summary.")
def run(
    topology: str,
    nodes: int,
    scenario: str,
    seed: int,
    fidelity: str,
    settings: tuple[str, ...],
    json_file: str | None,
    out: Path | None,
    quiet: bool,
) -> int:
    """Runs a scenario on a mesh. The exit status is 0 only if all invariants held and all promises of the scenario were kept.

    Ctrl-C ends it with what there is.
    """
    if out is not None:
        from .report import page  # noqa: F401 - if its libraries are missing, that is said before the run

    parameters = {key: value for text in settings for key, value in scenarios.parse_settings(text).items()}
    spec = RunSpec(topology, nodes, scenario, seed, fidelity, parameters)
    console = Console(stderr=json_file == "-")
    begun = Run(spec)
    files = RecordFiles()
    with files, Progress(len(begun.graph), console=console, is_shown=not quiet) as progress:
        _open_files(files, json_file, out)
        records = _play(begun, files, progress)
    if not quiet:
        _report(records, console)
    if files.complaints:
        raise ConfigError("; ".join(files.complaints))
    if out is not None:
        _write_folder(records, out, console, quiet)
    return 0 if records[-1]["violations"] == 0 else _FAILURE


def _open_files(files: RecordFiles, json_file: str | None, out: Path | None) -> None:
    """Opens the files to which records are written."""
    if json_file == "-":
        files.add("standard output", sys.stdout.buffer)
    elif json_file is not None:
        files.open(Path(json_file))
    if out is not None:
        files.open(out / RECORDS)


def _play(begun: Run, files: RecordFiles, progress: Progress) -> list[dict[str, Any]]:
    """Runs until the end or Ctrl-C. A second Ctrl-C ends the process at once."""
    records = []
    before = signal.getsignal(signal.SIGINT)

    def interrupt(number: int, frame: FrameType | None) -> None:
        begun.interrupted = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, interrupt)
    try:
        for record in begun.records():
            records.append(record)
            files.write(record)
            progress.take(record)
    finally:
        signal.signal(signal.SIGINT, before)
    return records


def _report(records: list[dict[str, Any]], console: Console) -> None:
    from .report.report import collect
    from .report.summary import print_summary

    print_summary(collect(records), console)


def _write_folder(records: list[dict[str, Any]], out: Path, console: Console, quiet: bool) -> None:
    from .report.page import write_folder
    from .report.report import collect

    for record in records:
        if record["type"] == "violation":
            (out / VIOLATION).write_bytes(msgspec.json.format(msgspec.json.encode(record)))
    written = write_folder(collect(records), out)
    if not quiet:
        console.print(f"written to {written[-1]}", markup=False, highlight=False)


@cli.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_all(as_json: bool) -> None:
    """Lists topologies and scenarios with their parameters."""
    known = [scenarios.load(name, {}) for name in scenarios.names()]
    if as_json:
        click.echo(
            msgspec.json.encode({"topologies": list(_topologies()), "scenarios": [_brief(one) for one in known]})
        )
        return
    console = Console()
    print_table(console, _TOPOLOGY_COLUMNS, _topologies())
    print_line(console, "")
    print_table(console, _SCENARIO_COLUMNS, known)


def _topologies() -> Iterator[dict[str, Any]]:
    for topology in list_topologies():
        parameters = {name: parameter.default for name, parameter in topology.parameters.items()}
        yield {"name": topology.name, "about": topology.summary, "parameters": parameters}


def _brief(one: scenarios.Scenario) -> dict[str, Any]:
    return {"name": one.name, "about": one.about, "parameters": one.parameters, "promises": one.promises}


def _settings(parameters: dict[str, Any]) -> str:
    """Returns parameters as they are typed behind a name or after --set."""
    return ",".join(f"{name}={typed(value)}" for name, value in parameters.items())


_TOPOLOGY_COLUMNS: Final[tuple[Column[dict[str, Any]], ...]] = (
    Column("topology", lambda entry: entry["name"], must_show=True),
    Column("what it is", lambda entry: entry["about"], must_show=True),
    Column("parameters", lambda entry: _settings(entry["parameters"]), must_show=True),
)
_SCENARIO_COLUMNS: Final[tuple[Column[scenarios.Scenario], ...]] = (
    Column("scenario", lambda one: one.name, must_show=True),
    Column("what happens", lambda one: one.about, must_show=True),
    Column("parameters", lambda one: _settings(one.parameters), must_show=True),
    Column("promises at most", lambda one: _settings(one.promises), must_show=True),
)


cli.add_command(sweep_command)
cli.add_command(model_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line, by default that of the process, and returns the exit status."""
    try:
        return _status(lambda: cli.main(arguments, prog_name="mycelium-sim", standalone_mode=False))
    except SystemExit:  # of click, and only where nobody reads the output any more
        return _READER_GONE
    except click.UsageError as error:
        return _complain(error.format_message().rstrip("."), _USAGE)
    except ConfigError as error:
        return _complain(str(error), _USAGE)
    except click.ClickException as error:
        return _complain(error.format_message(), error.exit_code)
    except MyceliumError as error:
        return _complain(str(error), _FAILURE)
    except OSError as error:  # such as a full disk
        return _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror), _FAILURE)
    except (KeyboardInterrupt, click.Abort):
        return _complain("interrupted", 130)


def _status(command: Callable[[], Any]) -> int:
    status = command()
    return status if isinstance(status, int) else 0


def _complain(text: str, status: int) -> int:
    print(f"mycelium-sim: {text}", file=sys.stderr)
    return status


def script() -> NoReturn:
    """Runs the command line and ends the process at once.

    Deallocating a mesh of thousands of nodes takes seconds, as does a pass of the cyclic collector.
    """
    gc.disable()
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    script()
