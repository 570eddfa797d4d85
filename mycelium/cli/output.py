"""Output of commands: JSON for programs, tables, fields and quantities for people."""

import os
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TypeVar

import click

from mycelium.admin.table import Column, table_lines

_Item = TypeVar("_Item")


def print_json(value: object) -> None:
    """Prints any structure or list of them, indented."""
    import msgspec  # here, because it would slow down --help

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Prints one name and value per line, the values aligned."""
    for name, value in fields:
        click.echo(f"{name:<12} {value}")


def print_table(columns: Sequence[Column[_Item]], items: Iterable[_Item]) -> None:
    """Prints a row for each item under a heading, as wide as the terminal allows."""
    heading, *lines = table_lines(columns, items, room=terminal_width())
    click.echo(style(heading, bold=True))
    for line in lines:
        click.echo(line)


def style(text: str, *, bold: bool = False, colour: str | None = None) -> str:
    """Returns a text as a terminal shows it, unless colours are not wanted."""
    is_plain = not is_terminal() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return text if is_plain else click.style(text, bold=bold, fg=colour)


def terminal_width() -> int | None:
    """Returns how many columns the terminal has; None for a pipe or a file."""
    return shutil.get_terminal_size().columns if is_terminal() else None


def is_terminal() -> bool:
    """Tells whether a person reads the output."""
    return sys.stdout is not None and sys.stdout.isatty()


def duration(seconds: float) -> str:
    """Writes a time span by its two largest units, as in 1h02m."""
    whole = int(seconds)
    days, hours, minutes = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60
    if days:
        return f"{days}d{hours:02}h"
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{whole % 60:02}s" if minutes else f"{whole}s"


def moment(seconds: float) -> str:
    """Writes Unix seconds as the local date and time, to the millisecond."""
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(seconds))}.{int(seconds * 1_000) % 1_000:03}"


def cost_ms(cost: int | None, *, none: str = "") -> str:
    """Writes a cost, which is in units of 10 us, in milliseconds; `none` where it is not known."""
    return none if cost is None else f"{cost / 100:.2f}"


def size(count: int) -> str:
    """Writes a number of bytes with three digits at least, as in 1.46 MiB."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1_024:
            return f"{value:.3g} {unit}" if value < 999.5 else f"{value:.0f} {unit}"
        value /= 1_024
    return f"{value:.1f} TiB"
