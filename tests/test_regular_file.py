"""What is read is the beginning of a regular file, and nothing else."""

import os
from pathlib import Path

import pytest

from mycelium.regular_file import read_regular


def test_the_beginning_of_a_file_is_read_and_who_may_touch_it(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abcdef")
    file.chmod(0o640)
    assert read_regular(file, 4) == (b"abcd", 0o640)
    assert read_regular(file, 10) == (b"abcdef", 0o640)


def test_what_is_no_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for odd in (tmp_path / "fifo", tmp_path, Path("/dev/zero")):
        assert read_regular(odd, 4) is None


def test_a_link_is_followed_unless_the_caller_forbids_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", 4) is not None
    with pytest.raises(OSError, match="symbolic"):
        read_regular(tmp_path / "link", 4, os.O_NOFOLLOW)
