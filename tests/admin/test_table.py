"""Tables at any width: what must be shown is whole, the rest fills what room there is."""

from hypothesis import given
from hypothesis import strategies as st

from mycelium.admin.table import Column, table_lines

COLUMNS = (
    Column[dict[str, str]]("Name", lambda item: item["name"], must_show=True),
    Column[dict[str, str]]("Loss", lambda item: item.get("loss", ""), is_number=True),
    Column[dict[str, str]]("Address", lambda item: item.get("address", ""), must_show=True),
    Column[dict[str, str]]("Type", lambda item: item.get("type", "")),
)
ITEMS = [
    {"name": "amber.example.org", "loss": "1.0%", "address": "400::1", "type": "inbound"},
    {"name": "b", "address": "400::22", "type": "static"},
]


def test_with_room_enough_each_row_is_a_line() -> None:
    assert table_lines(COLUMNS, ITEMS, room=41) == [
        "Name               Loss  Address  Type",
        "amber.example.org  1.0%  400::1   inbound",
        "b                        400::22  static",
    ]


def test_what_does_not_fit_is_left_out_but_what_must_be_shown_goes_below() -> None:
    assert table_lines(COLUMNS, ITEMS, room=40)[1] == "amber.example.org  1.0%  400::1"
    assert table_lines(COLUMNS, ITEMS, room=23) == [
        "Name               Loss\n  Address  Type",
        "amber.example.org  1.0%\n  400::1   inbound",
        "b\n  400::22  static",
    ]
    assert table_lines(COLUMNS, ITEMS, room=22)[1] == "amber.example.org\n  400::1   1.0%"


def test_no_cell_is_cut_where_the_terminal_is_narrower_than_it() -> None:
    assert table_lines(COLUMNS, ITEMS, room=5)[1:] == ["amber.example.org\n  400::1", "b\n  400::22"]


def test_to_a_pipe_every_column_is_on_one_line_and_no_field_is_empty() -> None:
    items = [{"name": "x" * 300}]
    assert table_lines(COLUMNS, items, room=None)[1].split() == ["x" * 300, "-", "-", "-"]


def test_a_column_with_nothing_in_it_takes_no_room_on_a_terminal() -> None:
    assert table_lines(COLUMNS, [{"name": "a"}], room=80) == ["Name", "a"]
    assert table_lines(COLUMNS, [], room=80) == ["Name  Loss  Address  Type"]


def test_wide_characters_count_twice() -> None:
    assert table_lines(COLUMNS, [{"name": "網", "loss": "1"}, {"name": "ab", "loss": "2"}], room=80)[1:] == [
        "網       1",
        "ab       2",
    ]


@given(
    widths=st.lists(st.tuples(st.integers(1, 60), st.booleans()), min_size=1, max_size=8),
    room=st.one_of(st.none(), st.integers(1, 200)),
)
def test_only_a_single_cell_is_ever_wider_than_the_terminal(widths: list[tuple[int, bool]], room: int | None) -> None:
    cells = [chr(ord("a") + index) * width for index, (width, _) in enumerate(widths)]
    columns = [
        Column[None]("", lambda _, cell=cell: cell, must_show=must)  # type: ignore[misc]
        for cell, (_, must) in zip(cells, widths, strict=True)
    ]
    (_, row) = table_lines(columns, [None], room=room)
    lines = row.split("\n")
    assert all(room is None or len(line) <= room or len(line.split()) == 1 for line in lines)
    shown = row.split()
    assert set(shown) <= set(cells)
    assert {cell for cell, (_, must) in zip(cells, widths, strict=True) if must or room is None} <= set(shown)
