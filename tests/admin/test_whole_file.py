import os
import pwd
import stat
from pathlib import Path

import pytest

from mycelium.admin.network_root import create_root
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


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """To whom root has given files."""
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", lambda _, user, group: found.append((user, group)))
    return found


def test_what_root_writes_in_place_of_a_file_is_its_owner_s(tmp_path: Path, given: list[tuple[int, int]]) -> None:
    path = tmp_path / "kept"
    create_whole(path, b"one", mode=0o600)
    assert given == []  # there was none, and the folder is not the service's
    replace_whole(path, b"two", mode=0o600)
    assert given == [(os.getuid(), os.getgid())]
    (tmp_path / "planted").symlink_to(path)
    replace_whole(tmp_path / "planted", b"three", mode=0o600)
    assert len(given) == 1


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770])
def test_who_puts_a_file_where_root_writes_is_not_given_what_takes_its_place(
    tmp_path: Path, given: list[tuple[int, int]], mode: int
) -> None:
    (tmp_path / "planted").write_bytes(b"")
    tmp_path.chmod(mode)
    replace_whole(tmp_path / "planted", b"a secret", mode=0o600)
    assert given == []


def test_what_root_writes_into_the_service_s_folder_is_the_service_s(
    tmp_path: Path, given: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    of_service = pwd.getpwuid(os.getuid())
    monkeypatch.setattr(pwd, "getpwnam", lambda _: of_service)
    create_whole(tmp_path / "new", b"one", mode=0o600)
    assert given == [(tmp_path.stat().st_uid, tmp_path.stat().st_gid)]
    create_root(tmp_path / "corp.root")  # whoever takes over the daemon must not decide who is a member
    assert len(given) == 1


def test_a_file_that_may_not_be_given_away_is_written_all_the_same(
    tmp_path: Path, given: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", refuse)
    for data in (b"one", b"two"):
        replace_whole(tmp_path / "kept", data, mode=0o600)
    assert ((tmp_path / "kept").read_bytes(), given) == (b"two", [])
