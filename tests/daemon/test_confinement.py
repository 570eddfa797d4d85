"""Who a daemon becomes, and what is said where that can't be."""

import importlib
import os
import pwd
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import mycelium
from mycelium.admin.config import Settings
from mycelium.daemon import confinement
from mycelium.daemon.capabilities import DAC_OVERRIDE
from mycelium.daemon.confinement import KEPT, confine
from mycelium.errors import ConfigError, IdentityError
from tests.daemon.test_capabilities import STATUS, status
from tests.support.apart import apart

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
NOBODY = "nobody"


def after(settings: Settings) -> dict[str, str]:
    """Returns what the kernel says of a process that is confined so."""

    def work() -> dict[str, str]:
        confine(settings)
        return status(STATUS.read_text())

    return dict(apart(work))


def refusal(settings: Settings) -> str:
    def work() -> str:
        try:
            confine(settings)
        except (ConfigError, IdentityError) as error:
            return str(error)
        return ""

    return str(apart(work))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike those that pytest makes."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o711)
        yield Path(made)


def test_what_is_left_is_put_in_words(tmp_path: Path) -> None:
    words = str(apart(lambda: confine(Settings(key_file=tmp_path / "key"))))
    assert re.fullmatch(r"running as user \S+ with .+; files: (writes only below .+|no fence, .+)", words)


def test_who_is_told_nothing_stays_who_he_is_with_few_rights(tmp_path: Path) -> None:
    found = after(Settings(key_file=tmp_path / "key"))
    assert int(found["Uid"]) == os.getuid()
    assert int(found["CapEff"], 16) | KEPT == KEPT
    assert int(found["CapInh"], 16) == int(found["CapAmb"], 16) == 0
    assert found["NoNewPrivs"] == "1"


@pytest.fixture
def everybodys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has every user read this program, whose interpreter may be below /root."""
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(mycelium, "__path__", [])


@ROOT_ONLY
@pytest.mark.usefixtures("everybodys")
def test_root_becomes_the_user_it_is_told(folder: Path) -> None:
    own = pwd.getpwnam(NOBODY).pw_uid
    os.chown(folder, own, -1)
    found = after(Settings(key_file=folder / "key", user=NOBODY))
    assert int(found["Uid"]) == own
    assert {int(found[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {KEPT}


@ROOT_ONLY
@pytest.mark.usefixtures("everybodys")
def test_root_becomes_the_user_of_the_service_where_the_key_is_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confinement, "NAME", NOBODY)
    settings = Settings(key_file=folder / "key")
    assert int(after(settings)["Uid"]) == 0
    os.chown(folder, pwd.getpwnam(NOBODY).pw_uid, -1)
    assert int(after(settings)["Uid"]) == pwd.getpwnam(NOBODY).pw_uid


def test_a_user_that_is_not_there_is_refused(tmp_path: Path) -> None:
    settings = Settings(key_file=tmp_path / "key", user="nobody-at-all")
    assert refusal(settings) == "user (--user): this host has no user nobody-at-all"


@pytest.mark.parametrize(("target", "why"), [("absent", "No such file"), ("key", "Too many levels of symbolic links")])
def test_a_key_that_is_a_broken_link_is_refused_with_the_cause(tmp_path: Path, target: str, why: str) -> None:
    key = tmp_path / "key"
    key.symlink_to(target)
    assert refusal(Settings(key_file=key)).startswith(
        f"the key file {key} is a symbolic link that leads nowhere: {why}"
    )


@pytest.mark.parametrize("missing", ["absent", "absent/too", "broken"])
def test_a_folder_that_is_not_there_is_told_as_that(tmp_path: Path, missing: str) -> None:
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    folder = tmp_path / missing
    expected = f"there is no folder {folder} for the key: make it, or name another key with --key-file"
    assert refusal(Settings(key_file=folder / "key")) == expected


@ROOT_ONLY
def test_a_key_that_the_user_cannot_use_is_refused_with_the_remedy(folder: Path) -> None:
    (folder / "key").write_bytes(bytes(32))
    (folder / "key").chmod(0o600)
    expected = (
        f"user {NOBODY} can't use the key {folder / 'key'}: give it the folder, as with 'chown -R {NOBODY} {folder}', "
        "or name another key with --key-file"
    )
    assert refusal(Settings(key_file=folder / "key", user=NOBODY)) == expected
    folder.chmod(0o700)
    assert refusal(Settings(key_file=folder / "other", user=NOBODY)).startswith(f"user {NOBODY} can't use the key")


@ROOT_ONLY
def test_root_keeps_the_right_to_others_files_only_where_its_key_or_program_is_among_them(folder: Path) -> None:
    private = folder / "home"
    private.mkdir(mode=0o700)
    assert int(after(Settings(key_file=private / "key"))["CapEff"], 16) == KEPT
    os.chown(private, pwd.getpwnam(NOBODY).pw_uid, -1)
    assert int(after(Settings(key_file=private / "key"))["CapEff"], 16) == KEPT | DAC_OVERRIDE


@ROOT_ONLY
def test_a_program_that_the_user_cannot_read_is_refused_with_the_remedy(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, program = folder / "own", folder / "program"
    for made in (own, program):
        made.mkdir(mode=0o700)
    os.chown(own, pwd.getpwnam(NOBODY).pw_uid, -1)
    for module, name in ((sys, "path"), (mycelium, "__path__")):
        with monkeypatch.context() as patched:
            patched.setattr(sys, "path", [])
            patched.setattr(mycelium, "__path__", [])
            patched.setattr(module, name, [str(program)])
            assert refusal(Settings(key_file=own / "key", user=NOBODY)) == (
                f"user {NOBODY} can't read {program}, where a part of this program is: install mycelium for all users, "
                "or stay root by --user root"
            )
            assert refusal(Settings(key_file=own / "key", user="root")) == ""


def test_modules_of_an_editable_installation_can_still_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    program.mkdir()
    (program / "late.py").write_text("NAME = 'late'")
    monkeypatch.setattr(mycelium, "__path__", [*mycelium.__path__, str(program)])

    def load() -> str:
        confine(Settings(key_file=tmp_path / "keys" / "key"))
        return str(importlib.import_module("mycelium.late").NAME)

    (tmp_path / "keys").mkdir()
    assert apart(load) == "late"
