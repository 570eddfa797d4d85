"""The key file: what is written, what is refused, and that nothing is ever overwritten."""

import errno
import logging
import os
import stat
import tempfile
from collections.abc import Callable
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from mycelium.admin import keyfile
from mycelium.admin.keyfile import (
    add_first_line,
    create_identity,
    default_key_path,
    epoch_path,
    import_identity,
    load_identity,
    load_or_create_identity,
    original_path,
    replace_identity,
)
from mycelium.errors import IdentityError
from mycelium.identity import Identity

SEED = bytes(range(32))
OURS = b"mycelium-ed25519-seed\n" + SEED
AS_IN_RUST = Identity.of_exchange_secret(SEED)


@pytest.fixture
def key_path(tmp_path: Path) -> Path:
    return tmp_path / "key.bin"


def no_home() -> Path:
    raise RuntimeError


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.write_bytes(content)
    path.chmod(mode)


def test_a_written_key_reads_back_as_the_same_identity(key_path: Path) -> None:
    written = create_identity(key_path, SEED)

    assert load_identity(key_path).address == written.address
    assert key_path.read_bytes() == OURS


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_only_the_owner_may_read_a_new_key_whatever_the_umask(key_path: Path, umask: int) -> None:
    previous = os.umask(umask)
    try:
        create_identity(key_path, SEED)
    finally:
        os.umask(previous)

    assert stat.S_IMODE(key_path.stat().st_mode) == 0o600


def test_writing_leaves_nothing_but_the_key_file(key_path: Path) -> None:
    create_identity(key_path, SEED)

    assert os.listdir(key_path.parent) == ["key.bin"]


def test_an_existing_file_is_never_overwritten(key_path: Path) -> None:
    write(key_path, b"something else", 0o644)

    with pytest.raises(IdentityError, match="exists already"):
        create_identity(key_path, SEED)

    assert key_path.read_bytes() == b"something else"
    assert os.listdir(key_path.parent) == ["key.bin"]


def test_a_seed_of_the_wrong_size_is_not_written(key_path: Path) -> None:
    with pytest.raises(IdentityError, match="32 bytes, not 31"):
        create_identity(key_path, SEED[:31])

    assert not key_path.exists()


def test_missing_directories_are_made_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "key.bin"

    with pytest.raises(IdentityError, match=f"there is no folder {path.parent}$"):
        create_identity(path, SEED)
    create_identity(path, SEED, parents=True)

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.read_bytes() == OURS


def test_a_file_in_the_place_of_a_directory_is_a_clear_error(tmp_path: Path) -> None:
    write(tmp_path / "file", b"")

    with pytest.raises(IdentityError, match="cannot write the key file"):
        create_identity(tmp_path / "file" / "key.bin", SEED, parents=True)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o777])
def test_a_key_that_others_may_touch_is_refused(key_path: Path, mode: int) -> None:
    write(key_path, OURS, mode)

    with pytest.raises(IdentityError, match=f"open to other users \\(mode {mode:04o}\\): chmod 600 "):
        load_identity(key_path)


@pytest.mark.parametrize("size", [1, 31, 33, 64, 1000])
def test_a_key_of_the_wrong_size_is_refused(key_path: Path, size: int) -> None:
    write(key_path, b"x" * size)

    with pytest.raises(IdentityError, match=f"has {size} bytes, not 32"):
        load_identity(key_path)


def test_the_key_of_a_network_is_no_key_of_a_node(key_path: Path) -> None:
    write(key_path, b"mycelium-network-key\n" + SEED)

    with pytest.raises(IdentityError, match="is the key of a network: name it with --network-key-file"):
        load_identity(key_path)


# -- files without a first line --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
@pytest.mark.parametrize("load", [load_identity, load_or_create_identity])
def test_32_bytes_alone_are_refused_with_both_ways_out(
    key_path: Path, mode: int, load: Callable[[Path], Identity]
) -> None:
    write(key_path, SEED, mode)

    with pytest.raises(IdentityError) as caught:
        load(key_path)

    rust, ours = (IPv6Address(one.address) for one in (AS_IN_RUST, Identity(SEED)))
    assert f"the Rust Mycelium made it, 'mycelium import-key {key_path}' keeps its address {rust};" in str(caught.value)
    assert f"'mycelium import-key --as-seed {key_path}' keeps {ours}" in str(caught.value)
    assert key_path.read_bytes() == SEED


def test_an_epoch_beside_32_bytes_says_that_they_are_a_seed_of_ours(key_path: Path) -> None:
    write(key_path, SEED)
    epoch_path(key_path).write_text("1700000000\n")

    assert load_identity(key_path).address == Identity(SEED).address
    assert key_path.read_bytes() == SEED
    assert add_first_line(key_path)
    assert key_path.read_bytes() == OURS
    assert stat.S_IMODE(key_path.stat().st_mode) == 0o600
    assert not add_first_line(key_path)
    assert load_identity(key_path).address == Identity(SEED).address


def test_a_seed_of_ours_that_others_may_read_is_still_refused(key_path: Path) -> None:
    write(key_path, SEED, 0o640)
    epoch_path(key_path).touch()

    with pytest.raises(IdentityError, match="open to other users"):
        load_identity(key_path)


def test_a_folder_that_can_not_be_written_does_not_stand_in_the_way_of_an_old_seed(
    key_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(prefix: str, dir: Path) -> tuple[int, str]:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    write(key_path, SEED)
    monkeypatch.setattr(tempfile, "mkstemp", full)

    assert not add_first_line(key_path)
    assert key_path.read_bytes() == SEED
    assert "stays in the format of old versions" in caplog.text
    assert "Read-only file system" in caplog.text


# -- import ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
@pytest.mark.parametrize("as_seed", [False, True])
def test_an_imported_key_keeps_its_address(tmp_path: Path, mode: int, as_seed: bool) -> None:
    source, path = tmp_path / "rust.bin", tmp_path / "new" / "key.bin"
    write(source, SEED, mode)

    identity = import_identity(source, path, as_seed=as_seed)

    assert identity.address == (Identity(SEED) if as_seed else AS_IN_RUST).address
    assert load_identity(path).address == identity.address
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert source.read_bytes() == SEED


def test_a_key_imported_in_its_place_is_kept_as_it_was_too(key_path: Path) -> None:
    write(key_path, SEED, 0o640)

    import_identity(key_path, key_path, as_seed=False)

    assert load_or_create_identity(key_path).address == AS_IN_RUST.address
    assert key_path.read_bytes() == b"mycelium-x25519-secret\n" + SEED
    assert original_path(key_path).read_bytes() == SEED
    assert sorted(os.listdir(key_path.parent)) == ["key.bin", "key.bin.original"]


def test_an_import_replaces_no_file(tmp_path: Path) -> None:
    source, path = tmp_path / "rust.bin", tmp_path / "key.bin"
    write(source, SEED)
    create_identity(path, b"another seed".ljust(32))
    before = path.read_bytes()
    with pytest.raises(IdentityError, match="exists already and was not changed"):
        import_identity(source, path, as_seed=False)
    assert path.read_bytes() == before

    write(original_path(source), b"kept")
    with pytest.raises(IdentityError, match="cannot keep"):
        import_identity(source, source, as_seed=False)
    assert (source.read_bytes(), original_path(source).read_bytes()) == (SEED, b"kept")


@pytest.mark.parametrize(
    ("content", "told"),
    [(OURS, "is in our own format already"), (b"", "is empty"), (SEED + b"\n", "has a line end"), (bytes(32), "zeros")],
)
def test_what_can_not_be_imported_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    source = tmp_path / "other"
    write(source, content)
    with pytest.raises(IdentityError, match=f"the file {source} .*{told}"):
        import_identity(source, tmp_path / "key.bin", as_seed=False)
    assert os.listdir(tmp_path) == ["other"]


def test_a_key_can_be_replaced(key_path: Path) -> None:
    create_identity(key_path, SEED)
    other = replace_identity(key_path, b"another seed".ljust(32))
    assert load_identity(key_path).address == other.address
    assert os.listdir(key_path.parent) == ["key.bin"]


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="not a regular file"):
        load_identity(tmp_path)


def test_a_fifo_is_refused_without_waiting(key_path: Path) -> None:
    os.mkfifo(key_path, 0o600)

    with pytest.raises(IdentityError, match="not a regular file"):
        load_identity(key_path)


def test_a_missing_key_is_a_clear_error(key_path: Path) -> None:
    with pytest.raises(IdentityError, match=r"cannot read the key file .*No such file"):
        load_identity(key_path)


def test_the_first_start_makes_a_key_and_the_next_one_finds_it(tmp_path: Path) -> None:
    path = tmp_path / "key.bin"

    first = load_or_create_identity(path)

    assert load_or_create_identity(path).seed == first.seed


def test_a_new_key_is_told_and_one_that_was_there_is_not(key_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mycelium")
    load_or_create_identity(key_path)
    load_or_create_identity(key_path)

    assert caplog.messages == [f"made a new key: {key_path}"]


def test_no_folder_but_the_default_one_is_made_for_a_new_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    mistyped = tmp_path / "nosuchdir" / "key.bin"

    with pytest.raises(IdentityError, match=f"{mistyped}: there is no folder {mistyped.parent}$"):
        load_or_create_identity(mistyped)
    load_or_create_identity(default_key_path())

    assert not mistyped.parent.exists()
    assert default_key_path().exists()


def test_a_named_key_needs_no_home_directory(key_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)

    load_or_create_identity(key_path)


def test_a_damaged_key_is_not_replaced_by_a_new_one(key_path: Path) -> None:
    write(key_path, b"short")

    with pytest.raises(IdentityError, match="5 bytes"):
        load_or_create_identity(key_path)

    assert key_path.read_bytes() == b"short"


def test_a_link_that_leads_nowhere_is_not_followed_into_a_new_key(key_path: Path) -> None:
    key_path.symlink_to("nowhere")

    with pytest.raises(IdentityError, match="No such file"):
        load_or_create_identity(key_path)

    assert os.listdir(key_path.parent) == ["key.bin"]


def test_two_new_keys_differ(tmp_path: Path) -> None:
    assert load_or_create_identity(tmp_path / "a").seed != load_or_create_identity(tmp_path / "b").seed


@pytest.mark.parametrize(
    ("data_home", "expected"),
    [
        ("/data", "/data/mycelium/priv_key.bin"),
        ("", "/home/one/.local/share/mycelium/priv_key.bin"),
        ("relative", "/home/one/.local/share/mycelium/priv_key.bin"),
    ],
)
def test_the_default_place_follows_xdg(monkeypatch: pytest.MonkeyPatch, data_home: str, expected: str) -> None:
    monkeypatch.setenv("HOME", "/home/one")
    monkeypatch.setenv("XDG_DATA_HOME", data_home)

    assert default_key_path() == Path(expected)


def test_root_s_default_is_the_service_s_key_where_that_is_the_only_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyfile, "STATE_FOLDER", tmp_path / "state")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    own, of_service = tmp_path / "mycelium" / "priv_key.bin", tmp_path / "state" / "priv_key.bin"
    assert keyfile.default_key_path() == own
    create_identity(of_service, bytes(32), parents=True)
    assert keyfile.default_key_path() == of_service
    create_identity(own, bytes(32), parents=True)
    assert keyfile.default_key_path() == own
