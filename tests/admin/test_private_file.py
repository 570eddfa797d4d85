import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.admin import private_file
from mycelium.admin.private_file import (
    create_network_key,
    read_api_token,
    read_network_key,
)
from mycelium.errors import ConfigError, LocalError

KEY = bytes(range(32))


def private(folder: Path, data: bytes) -> Path:
    path = folder / "secret"
    path.touch(mode=0o600)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "data",
    [
        KEY,
        KEY.hex().encode(),
        KEY.hex().upper().encode() + b"\n",
        KEY.hex().encode() + b"\r\n",
        b"mycelium-network-key\n" + KEY,
    ],
)
def test_a_network_key_is_ours_raw_or_hex(tmp_path: Path, data: bytes) -> None:
    assert read_network_key(private(tmp_path, data)) == KEY


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty"),
        (KEY[1:], "has 31 bytes, not 32"),
        (KEY + b"\n", "has a line end behind its 32 bytes"),
        (b"g" * 64, "has 64 bytes, not 32"),
        (KEY.hex().encode()[2:], "has 62 bytes, not 32"),
        (b"mycelium-network-key\n" + KEY[1:], "is damaged: 31 bytes follow its first line, not 32"),
        (b"mycelium-network-key\r\n" + KEY, "has the line ends of Windows"),
        (b"mycelium-ed25519-seed\n" + KEY, "is the secret key of a node"),
        (bytes(32), "holds only zeros"),
        (b"0" * 64, "has its key in hex digits"),
        (bytes(5_000), "holds only zeros"),
    ],
)
def test_anything_else_is_no_network_key(tmp_path: Path, data: bytes, told: str) -> None:
    path = private(tmp_path, data)
    with pytest.raises(ConfigError, match=f"^the network key file {path} {told}.*generate-network-key FILE"):
        read_network_key(path)


def test_a_new_network_key_reads_back_and_never_takes_the_place_of_a_file(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    create_network_key(one)
    create_network_key(other)
    assert len(read_network_key(one)) == 32
    assert read_network_key(one) != read_network_key(other)
    assert stat.S_IMODE(one.stat().st_mode) == 0o600
    before = one.read_bytes()
    with pytest.raises(LocalError, match="exists already and was not changed"):
        create_network_key(one)
    assert one.read_bytes() == before
    with pytest.raises(LocalError, match=f"there is no folder {tmp_path}/none$"):
        create_network_key(tmp_path / "none" / "key")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other"]


def test_a_token_is_one_printable_line(tmp_path: Path) -> None:
    assert read_api_token(private(tmp_path, b"correct-horse-battery\n")) == "correct-horse-battery"


@pytest.mark.parametrize("data", [b"", b"too short\n", b"x" * 257, b"sixteen letters\n and more", b"\xff" * 20])
def test_anything_else_is_no_token(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ConfigError, match="a token is one line of 16 to 256"):
        read_api_token(private(tmp_path, data))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o602])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = private(tmp_path, KEY)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=f"open to other users .mode {mode:04o}.: chmod 600"):
        read_network_key(path)


def test_what_is_no_file_is_told_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name, reason in (("fifo", "not a regular file"), ("none", "No such file"), (".", "not a regular file")):
        with pytest.raises(ConfigError, match=reason):
            read_network_key(tmp_path / name)


@given(st.binary(max_size=100))
def test_any_content_is_a_secret_or_a_config_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = private(tmp_path_factory.getbasetemp(), data)
    for read in (read_network_key, read_api_token):
        with suppress(ConfigError):
            assert read(path)


def test_who_may_not_read_a_file_is_told_as_whom_it_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(private_file, "read_regular", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_000)  # which has no name
    with pytest.raises(
        ConfigError, match=r"cannot read .*/key: user 4000000000 may not: 'chown 4000000000 .*/key' lets it"
    ):
        private_file.read_network_key(tmp_path / "key")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(ConfigError, match="user root may not"):
        private_file.read_network_key(tmp_path / "key")
