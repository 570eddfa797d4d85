"""Tables on a terminal: whole words and names at any width."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.text import Text

from mycelium.admin.table import Column, table_lines

_Item = TypeVar("_Item")


def print_table(console: Console, columns: Sequence[Column[_Item]], items: Iterable[_Item]) -> None:
    """Prints a row for each item under a heading, as wide as the console allows."""
    heading, *lines = table_lines(columns, items, room=console.width if console.is_terminal else None)
    print_line(console, heading, style="bold")
    for line in lines:
        print_line(console, line)


def print_line(console: Console, text: str, *, style: str = "") -> None:
    """Prints text as it is: not wrapped, not cut, without markup."""
    console.print(Text(text, style=style), soft_wrap=True, highlight=False)
