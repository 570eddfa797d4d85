"""`mycelium config`: the settings explained, checked and shown."""

import os
from pathlib import Path

import click

from mycelium.cli import options
from mycelium.cli.exit_status import USAGE
from mycelium.cli.output import print_json


@click.group
def config() -> None:
    """Explain, check and show the settings."""


@config.command
def example() -> None:
    """Print a configuration file that explains all settings."""
    from mycelium.admin.config_text import example_text

    click.echo(example_text(), nl=False)


@config.command
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@options.config_file
@click.pass_context
def check(context: click.Context, file: Path | None) -> int:
    """Look for mistakes in a configuration file. Without FILE, look in all that a start would read.

    Files that the settings name must be there, and readable for the user who asks; where root asks about the service's
    configuration, for the service's user too. The exit status is 2 if there is a mistake.
    """
    from mycelium.admin import config as settings
    from mycelium.cli.named_files import file_troubles

    given = options.given(context) | ({settings.CONFIG_FILE: file} if file else {})
    path = settings.config_file(given, os.environ)
    settings.refuse_misspelt(os.environ)
    found, sources = settings.read(given, os.environ)
    troubles = list(file_troubles(found, path))
    for name, trouble in troubles:
        source = sources.get(name, "")
        click.echo(f"mycelium: {f'{path}: {name}' if source == str(path) else source or name}: {trouble}", err=True)
    if troubles:
        return USAGE
    click.echo(f"{path}: no mistakes" if path else "no mistakes; there is no configuration file")
    return 0


@config.command
@options.settings
@options.as_json
@click.pass_context
def show(context: click.Context, as_json: bool) -> None:
    """Show all settings, and what sets each. They are those of a start with these flags.

    Passwords are left out.
    """
    from mycelium.admin.config import read
    from mycelium.admin.config_text import in_effect

    found = list(in_effect(*read(options.given(context), os.environ)))
    if as_json:
        print_json([{"name": name, "value": value, "source": source} for name, value, source in found])
        return
    width = max(len(name) + len(value) for name, value, _ in found if len(value) < 50) + 3
    for name, value, source in found:
        click.echo(f"{name} = {value}".ljust(width) + f"  # {source}" if value else f"# {name} is not set")
