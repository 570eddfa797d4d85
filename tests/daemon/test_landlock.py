"""What a fence keeps a process from, whoever it is, and what it leaves."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from mycelium.admin.private_file import replace_private
from mycelium.daemon import capabilities, landlock
from mycelium.daemon.landlock import CHANGE, READ, REMOVE_FILE, Rule
from tests.support.apart import apart


def error_of(act: Callable[[], object]) -> str:
    try:
        act()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return ""


def test_only_what_a_rule_names_can_be_reached(tmp_path: Path) -> None:
    mine, read, other = (tmp_path / name for name in ("mine", "read", "other"))
    for folder in (mine, read, other):
        folder.mkdir()
        (folder / "file").write_text("x")

    def look() -> dict[str, str]:
        capabilities.never_gain()
        rules = [Rule(mine, READ | CHANGE), Rule(read, READ | REMOVE_FILE), Rule(tmp_path / "none", READ)]
        if not landlock.restrict(rules):
            return {}
        return {
            "replaces its own": error_of(lambda: replace_private(mine / "file", b"y")),
            "reads": error_of((read / "file").read_text),
            "writes what it reads": error_of(lambda: (read / "file").write_text("y")),
            "makes a file there": error_of(lambda: (read / "new").write_text("y")),
            "makes a link": error_of(lambda: (mine / "link").symlink_to(other)),
            "removes": error_of((read / "file").unlink),
            "reads another": error_of((other / "file").read_text),
            "removes another": error_of((other / "file").unlink),
        }

    found = apart(look)
    if not found:
        pytest.skip("this kernel has no Landlock")
    assert [what for what, failed in found.items() if not failed] == ["replaces its own", "reads", "removes"]
    assert set(found.values()) == {"", "EACCES"}
    assert (mine / "file").read_text() == "y"


def test_a_rule_for_one_file_leaves_out_what_only_folders_have(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")

    def look() -> list[str]:
        capabilities.never_gain()
        is_fenced = landlock.restrict([Rule(file, READ | CHANGE)])
        return ["", "EACCES"] if not is_fenced else [error_of(file.read_text), error_of((tmp_path / "b").touch)]

    assert apart(look) == ["", "EACCES"]


def test_a_kernel_without_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSYS, "no such call")

    monkeypatch.setattr(landlock, "_call", refuse)
    assert landlock.restrict([]) is False
