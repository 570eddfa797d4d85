import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.admin.private_file import read_api_token, read_network_key
from mycelium.errors import ConfigError

KEY = bytes(range(32))


def private(folder: Path, data: bytes) -> Path:
    path = folder / "secret"
    path.touch(mode=0o600)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("data", [KEY, KEY.hex().encode(), KEY.hex().upper().encode() + b"\n"])
def test_a_network_key_is_raw_or_hex(tmp_path: Path, data: bytes) -> None:
    assert read_network_key(private(tmp_path, data)) == KEY


@pytest.mark.parametrize(
    "data", [b"", KEY[1:], KEY + b"\n", b"g" * 64, KEY.hex().encode()[2:], b"\xff" * 64, bytes(5_000)]
)
def test_anything_else_is_no_network_key(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ConfigError, match="32 bytes or 64 hex digits"):
        read_network_key(private(tmp_path, data))


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
