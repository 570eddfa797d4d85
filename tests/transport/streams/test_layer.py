"""What strangers wrote, as it is shown."""

from mycelium.transport.streams.layer import SHOWN_LETTERS, printable


def test_what_a_stranger_wrote_can_neither_steer_a_terminal_nor_fill_it() -> None:
    assert printable("Forbidden") == "Forbidden"
    assert printable("\x1b[2J\r\nnew line\u202e") == "?[2J??new line?"
    assert len(printable("x" * 1_000)) == SHOWN_LETTERS
