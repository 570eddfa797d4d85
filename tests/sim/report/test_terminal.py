import io

from rich.console import Console

from mycelium.admin.table import Column
from sim.report.terminal import print_line, print_table

COLUMNS = (Column[str]("name", str, must_show=True), Column[str]("what", lambda name: name * 3, must_show=True))


def printed(width: int, *, is_terminal: bool) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=is_terminal, no_color=True, color_system=None)
    print_table(console, COLUMNS, ["[bold]", "n" * 30])
    print_line(console, "word " * 10)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_nothing_is_cut_wrapped_or_taken_for_markup() -> None:
    lines = printed(40, is_terminal=True).splitlines()
    assert lines == ["name", "  what", "[bold]", f"  {'[bold]' * 3}", "n" * 30, "  " + "n" * 90, ("word " * 10)]
    assert len(printed(40, is_terminal=False).splitlines()) == 4
