"""A log whose reader has stopped: no write waits, and whole lines follow once there is room again."""

import fcntl
import os
import select
import socket
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from mycelium.admin.log_stream import LogStream


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4 * select.PIPE_BUF)
    yield reading, writing
    os.close(reading)
    os.close(writing)


def fill(stream: LogStream) -> int:
    """Writes lines until the pipe is full; returns their number."""
    for lines in count():
        try:
            stream.write(f"line {lines:>994}\n")
        except BlockingIOError:
            return lines
    raise AssertionError


def test_a_full_pipe_raises_instead_of_waiting_and_takes_more_once_it_was_read(pipe: tuple[int, int]) -> None:
    stream = LogStream(pipe[1])
    lines = fill(stream)
    assert lines >= 10
    assert os.read(pipe[0], 1 << 20).count(b"\n") == lines
    stream.write("back again\n")
    stream.flush()
    assert os.read(pipe[0], 1 << 20) == b"back again\n"


def test_a_line_that_did_not_fit_is_ended_before_the_next_one(pipe: tuple[int, int]) -> None:
    stream = LogStream(pipe[1])
    with pytest.raises(BlockingIOError):
        stream.write("x" * (5 * select.PIPE_BUF) + "\n")
    assert set(os.read(pipe[0], 1 << 20)) == {ord("x")}
    stream.write("next\n")
    assert os.read(pipe[0], 1 << 20) == b"\nnext\n"


def test_the_journal_s_socket_is_not_waited_for_either() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert fill(LogStream(one.fileno())) > 1


def test_a_reader_that_has_gone_is_an_error_like_others(pipe: tuple[int, int]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        LogStream(writing).write("to nobody\n")
    os.close(writing)


def test_a_file_takes_any_text(tmp_path: Path) -> None:
    with open(tmp_path / "log", "wb") as file:
        LogStream(file.fileno()).write("a\ud800ü\n" + "y" * 100_000)
    assert (tmp_path / "log").read_bytes() == "a\\ud800ü\n".encode() + b"y" * 100_000
