"""Two features of the Rust command line that click lacks: a default command, and flags with several values."""

from typing import Any

import click

from mycelium.admin.foreign import foreign_command


class DefaultGroup(click.Group):
    """A group that runs its default command if none is named."""

    def __init__(self, *arguments: Any, default_command: str, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self._default_command = default_command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing:  # a shell asks what may follow, so that no command is meant yet
            return super().parse_args(ctx, args)
        return super().parse_args(ctx, self._with_command(ctx, args))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        sentence = None if ctx.parent or args[0] in self.commands else foreign_command(args[0])
        if sentence is not None:
            raise click.UsageError(sentence, ctx)
        return super().resolve_command(ctx, args)

    def _with_command(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Inserts the default command behind the group's own flags if no command follows them."""
        flags = {name: option for option in self.get_params(ctx) for name in option.opts}
        index = 0
        while index < len(args) and args[index].startswith("-"):
            name, has_value, _ = args[index].partition("=")
            option = flags.get(name)
            if option is None:
                break
            if option.is_eager:
                return args
            index += 1 if has_value or getattr(option, "is_flag", False) else 2
        is_named = index < len(args) and not args[index].startswith("-")
        if is_named or index > len(args):  # beyond the end: the last flag lacks its value, which click reports
            return args
        return [*args[:index], self._default_command, *args[index:]]


class ManyValuesCommand(click.Command):
    """A command whose repeatable flags take several values each: `--peers A B` is `--peers A --peers B`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        many = {name for option in self.get_params(ctx) if option.multiple for name in option.opts}
        spread: list[str] = []
        flag, values = "", 0  # the current repeatable flag, and its number of values so far
        for arg in [*args, "-"]:
            if flag and not arg.startswith("-"):
                spread += (flag, arg)
                values += 1
                continue
            if flag and not values:
                raise click.BadOptionUsage(flag, f"Option {flag!r} requires a value.", ctx)
            flag, values = (arg, 0) if arg in many else ("", 0)
            if not flag:
                spread.append(arg)
        return super().parse_args(ctx, spread[:-1])
