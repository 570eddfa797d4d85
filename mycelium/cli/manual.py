"""`mycelium manual`: the manual page, made of what the commands say of themselves."""

import re
from collections.abc import Iterator
from typing import Final

import click

from mycelium import __version__

_SPECIAL: Final = re.compile(r"[\\-]")
_FILES: Final = (
    ("/etc/mycelium/mycelium.toml", "Settings, where the user has none in ~/.config/mycelium/mycelium.toml."),
    ("/var/lib/mycelium", "The key of the service and what it remembers; of others in ~/.local/share/mycelium."),
)


@click.command
@click.pass_context
def manual(context: click.Context) -> None:
    """Print the manual page. To read it: mycelium manual | man -l -"""
    click.echo("\n".join(page(context.find_root())))


def page(root: click.Context) -> Iterator[str]:
    """Yields the lines of the page, in the language of man(7)."""
    program = root.command
    yield f'.TH MYCELIUM 1 "" "mycelium {_plain(__version__)}" "Mycelium"'
    yield from (".SH NAME", rf"mycelium \- {_plain(program.help or '')}")
    yield from (".SH SYNOPSIS", ".B mycelium", "[FLAGS] [COMMAND] [FLAGS] ...")
    yield from (".SH DESCRIPTION", _plain(program.epilog or ""))
    yield from (".SH FLAGS OF ALL COMMANDS", *_flags(program, root))
    yield ".SH COMMANDS"
    yield from _commands(program, root, "mycelium")
    yield ".SH FILES"
    for name, meaning in _FILES:
        yield from (".TP", f".I {_plain(name)}", _plain(meaning))


def _commands(group: click.Command, at: click.Context, path: str) -> Iterator[str]:
    if not isinstance(group, click.Group):
        return
    for name in group.list_commands(at):
        command = group.get_command(at, name)
        if command is None or command.hidden:
            continue
        here = click.Context(command, at, info_name=name)
        words = [one.make_metavar(here) for one in command.get_params(here) if isinstance(one, click.Argument)]
        yield f".SS {_plain(' '.join((path, name, *words)))}"
        yield from (_plain(line) for line in (command.help or "").splitlines())
        yield from _flags(command, here)
        yield from _commands(command, here, f"{path} {name}")


def _flags(command: click.Command, at: click.Context) -> Iterator[str]:
    for parameter in command.get_params(at):
        record = parameter.get_help_record(at) if isinstance(parameter, click.Option) else None
        if record is not None and "--help" not in parameter.opts:
            yield from (".TP", f".B {_plain(record[0])}", _plain(record[1]))


def _plain(text: str) -> str:
    """Returns a line of text that troff takes as it is: no line begins with a control character."""
    line = _SPECIAL.sub(lambda found: rf"\{'e' if found[0] == chr(92) else '-'}", " ".join(text.split()))
    return rf"\&{line}" if line[:1] in (".", "'") else line
