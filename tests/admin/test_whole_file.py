import os
import stat
from pathlib import Path

import pytest

from mycelium.admin.whole_file import create_whole, replace_whole


def test_a_replaced_file_is_the_new_one_or_the_old_and_never_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept"
    for data, mode in ((b"one", 0o600), (b"two", 0o644)):
        replace_whole(path, data, mode=mode)
        assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (data, mode)

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        replace_whole(path, b"three", mode=0o600)
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_created_file_takes_the_place_of_none(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    create_whole(path, b"one", mode=0o600)
    with pytest.raises(FileExistsError):
        create_whole(path, b"two", mode=0o644)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"one", 0o600)
    assert list(tmp_path.iterdir()) == [path]
