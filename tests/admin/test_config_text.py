import tomllib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mycelium.admin.config_text import config_text

TEXT = st.text(st.characters(codec="utf-8"))


@given(TEXT, st.lists(st.text(st.characters(codec="utf-8"), min_size=1)))
def test_what_is_written_is_read_again(text: str, several: list[str]) -> None:
    values = {"name": text, "peers": several}
    written = config_text(values, comment="Made by a test.")
    expected = {key: value for key, value in values.items() if value}
    assert tomllib.loads(written) == expected


def test_a_file_says_who_made_it_and_leaves_out_what_has_no_value() -> None:
    written = config_text({"key_file": Path("/a b"), "name": "", "peers": ["x:1", "y:2"]}, comment="Made so.")
    assert written.splitlines()[0] == "# Made so."
    assert written.splitlines()[3:] == ['key_file = "/a b"', "peers = [", '    "x:1",', '    "y:2",', "]"]
