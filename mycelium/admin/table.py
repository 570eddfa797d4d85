"""Tables for people: no cell is ever cut.

To a pipe each row is one line with every column. On a terminal, what must be shown and does not fit goes on indented lines
below; other columns fill the lines that there are, and are left out where there is no room.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

_GAP: Final = "  "
_INDENT: Final = "  "
_MISSING: Final = "-"  # so that programs that split lines find each field in its place

_Item = TypeVar("_Item")


class Column(NamedTuple, Generic[_Item]):
    """One column. Those that come first are the last to be left out."""

    heading: str
    cell: Callable[[_Item], str]  # an empty text where there is nothing to show
    is_number: bool = False  # aligned to the right
    must_show: bool = False


def table_lines(columns: Sequence[Column[_Item]], items: Iterable[_Item], *, room: int | None) -> list[str]:
    """Returns the heading, then each row, as text of one or more lines; `room` is the terminal's width, None for a pipe."""
    missing = _MISSING if room is None else ""
    rows = [[column.cell(item) or missing for column in columns] for item in items]
    headings = [column.heading for column in columns]
    widths = [max(map(_width, cells)) for cells in zip(headings, *rows, strict=True)]
    used = [index for index, _ in enumerate(columns) if room is None or not rows or any(row[index] for row in rows)]
    places = _arranged([(index, widths[index], columns[index].must_show) for index in used], room)
    return [_folded(row, places, columns, widths) for row in (headings, *rows)]


class _Line:
    """One line of every row: the columns in it, by index."""

    def __init__(self, room: int | None) -> None:
        self.columns: list[int] = []
        self._room = room
        self._used = 0

    def takes(self, index: int, width: int) -> bool:
        """Adds a column if there is room for it; an empty line takes any."""
        used = self._used + len(_GAP) * bool(self.columns) + width
        if self.columns and self._room is not None and used > self._room:
            return False
        self._used = used
        self.columns.append(index)
        return True


def _arranged(columns: Iterable[tuple[int, int, bool]], room: int | None) -> list[list[int]]:
    """Returns the columns of each line. They are given as index, width, and whether they must be shown."""
    lines = [_Line(room)]
    waiting: list[tuple[int, int]] = []  # for a line with room
    for index, width, must_show in columns:
        if any(line.takes(index, width) for line in lines):
            continue
        if must_show:
            lines.append(_Line(None if room is None else room - len(_INDENT)))
            lines[-1].takes(index, width)
            waiting = [column for column in waiting if not lines[-1].takes(*column)]
        else:
            waiting.append((index, width))
    return [line.columns for line in lines]


def _folded(
    row: Sequence[str], places: Sequence[Sequence[int]], columns: Sequence[Column[Any]], widths: Sequence[int]
) -> str:
    lines = []
    for number, line in enumerate(places):
        cells = [_aligned(row[index], widths[index], columns[index]) for index in line]
        lines.append((_INDENT * bool(number) + _GAP.join(cells)).rstrip())
    return "\n".join(line for line in lines if line)


def _aligned(cell: str, width: int, column: Column[Any]) -> str:
    fill = " " * (width - _width(cell))
    return fill + cell if column.is_number else cell + fill


def _width(text: str) -> int:
    """Returns the columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # here, because it is large and rarely needed

    return cell_len(text)
