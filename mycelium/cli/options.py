"""The flags, shared by several commands.

Users of the Rust implementation write global flags before the subcommand, others behind it. So each flag that was given,
wherever it stood, is stored by its settings name in one mapping, the argument of `config.load`.
"""

from collections.abc import Callable
from functools import partial
from math import isfinite
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from mycelium.admin.setting import ALIASES, LISTS, SETTINGS, WORDS, Kind, Setting

_JSON: Final = "mycelium.json"  # among what the contexts of one command line share
_Command = TypeVar("_Command", bound=Callable[..., Any] | click.Command)


class Seconds(click.FloatRange):
    """A time within bounds. click lets a NaN pass them, and infinity where no upper one is given."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = float(super().convert(value, param, ctx))
        if not isfinite(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


def given(context: click.Context) -> dict[str, Any]:
    """Returns the flags given on this command line so far, by settings name; of two equal flags, the last counts."""
    values: dict[str, Any] = context.find_root().ensure_object(dict)
    return values


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    assert parameter.name is not None
    source = context.get_parameter_source(parameter.name)
    if source is ParameterSource.COMMANDLINE:
        given(context)[parameter.name] = list(value) if parameter.multiple else value


def _flag(*names: str, **attributes: Any) -> Callable[[_Command], _Command]:
    return click.option(*names, expose_value=False, callback=_remember, **attributes)


def _option(setting: Setting) -> Callable[[_Command], _Command]:
    names = (setting.flag, setting.short) if setting.short else (setting.flag,)
    attributes: dict[str, Any] = {"help": setting.help, "hidden": not setting.help}
    if setting.kind is Kind.FLAG:
        return _flag(*names, is_flag=True, **attributes)
    attributes["shell_complete"] = partial(_completions, setting.kind)
    return _flag(*names, multiple=setting.kind in LISTS, metavar=setting.metavar, **attributes)


def _completions(kind: Kind, context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Returns what a shell offers for the value of a flag: words, or what it finds itself for the name of a file."""
    if kind is Kind.FILE:
        return [CompletionItem(begun, type="file")]
    return [CompletionItem(word) for word in WORDS.get(kind, ()) if word.startswith(begun)]


_SETTINGS: Final = {setting.name: _option(setting) for setting in SETTINGS}
config_file = _flag("--config-file", "-c", metavar="FILE", help="TOML file with the flags' names as keys, without --.")


def of(name: str) -> Callable[[_Command], _Command]:
    """Returns the flag of one setting."""
    return _SETTINGS[name]


key_file = of("key_file")


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


settings = together(*_SETTINGS.values(), *map(_option, ALIASES), config_file)
general = together(config_file, key_file, *map(of, ("debug", "silent", "log_format", "api_addr")), json_of_command)
client = together(of("api_addr"), of("api_token_file"), config_file)
client_with_count = together(
    of("api_addr"),
    of("api_token_file"),
    _flag("--config-file", metavar="FILE", help="As for other commands, which take -c too."),
)
client_group = together(client, json_of_command)
