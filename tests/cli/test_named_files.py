"""Files that settings name are there and can be read, or it is told which are not, and why."""

import os
import pwd
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mycelium.admin import keyfile
from mycelium.admin.config import Settings
from mycelium.admin.keyfile import create_identity
from mycelium.admin.private_file import create_network_key, create_private
from mycelium.cli import named_files
from mycelium.cli.named_files import file_troubles
from mycelium.errors import LocalError
from mycelium.identity import SEED_BYTES
from mycelium.peer_list_url import PeerListUrl
from mycelium.transport.certificate import self_signed


def troubles(folder: Path, **settings: Any) -> list[tuple[str, str]]:
    return list(file_troubles(Settings(**{"key_file": folder / "key", **settings})))


def named(folder: Path) -> dict[str, Any]:
    """Returns settings that name a file of every kind, all of which are there."""
    create_identity(folder / "key", b"s" * SEED_BYTES)
    create_network_key(folder / "corp.key")
    create_private(folder / "token", b"a token of the API\n", name="token", error=LocalError)
    (folder / "pem").write_bytes(self_signed())
    (folder / "hosts").touch()
    (folder / "peers").write_text("udp://192.0.2.1:9651\n")
    return {
        "peers": (PeerListUrl("file", str(folder / "peers")), PeerListUrl("dns", "mesh.example")),
        "tls_certificate": folder / "pem",
        "tls_key": folder / "pem",
        "network_key_file": folder / "corp.key",
        "hosts_file": folder / "hosts",
        "api_token_file": folder / "token",
    }


def test_nothing_is_said_of_files_that_a_start_can_use(tmp_path: Path) -> None:
    assert troubles(tmp_path, **named(tmp_path)) == []


def test_a_key_that_is_not_there_is_made_by_a_start_where_it_has_a_folder(tmp_path: Path) -> None:
    assert troubles(tmp_path) == []
    told = f"there is no folder {tmp_path}/nowhere for the key file"
    assert troubles(tmp_path / "nowhere") == [("key_file", told)]
    assert not os.listdir(tmp_path)


def test_the_folder_of_the_default_key_is_made_by_a_start(tmp_path: Path, home: Path) -> None:
    assert troubles(tmp_path, key_file=home / ".local" / "share" / "mycelium" / "priv_key.bin") == []


def gone(path: Path) -> None:
    path.unlink()


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def nonsense(path: Path) -> None:
    path.write_text("nonsense\0")


@pytest.mark.parametrize(
    ("file", "setting"),
    [
        ("peers", "peers"),
        ("pem", "tls_certificate"),
        ("corp.key", "network_key_file"),
        ("hosts", "hosts_file"),
        ("token", "api_token_file"),
        ("key", "key_file"),
    ],
)
@pytest.mark.parametrize("change", [gone, a_folder, a_pipe, nonsense])
def test_what_a_start_cannot_use_is_told_by_its_setting(
    tmp_path: Path, file: str, setting: str, change: Callable[[Path], None]
) -> None:
    settings = named(tmp_path)
    change(tmp_path / file)
    found = troubles(tmp_path, **settings)
    if (file, change) in (("key", gone), ("hosts", nonsense)):
        assert found == [], "a start makes one, and keeps what is in the other"
    else:
        [(name, reason)] = found
        assert (name, str(tmp_path / file) in reason) == (setting, True)


@pytest.fixture
def etc(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the configuration of a service, whose user is nobody: any user may look into it."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "unit").touch()
    monkeypatch.setattr(named_files, "UNIT_FILE", folder / "unit")
    monkeypatch.setattr(named_files, "CONFIG_FILE", folder / "mycelium.toml")
    monkeypatch.setattr(named_files, "NAME", "nobody")
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_is_told_what_the_user_of_the_service_cannot_read(etc: Path) -> None:
    settings = Settings(key_file=etc / "key", network_key_file=etc / "corp.key")
    create_identity(etc / "key", b"s" * SEED_BYTES)
    create_network_key(etc / "corp.key")
    mine = os.geteuid(), os.getegid(), os.getgroups()
    found = dict(file_troubles(settings, etc / "mycelium.toml"))
    assert found.keys() == {"network_key_file", "key_file"}
    assert f"user nobody may not: 'chown nobody {etc}/corp.key' lets it" in found["network_key_file"]
    assert (os.geteuid(), os.getegid(), os.getgroups()) == mine
    assert list(file_troubles(settings, etc / "other.toml")) == [], "root starts another daemon itself"
    for name in ("key", "corp.key"):
        os.chown(etc / name, pwd.getpwnam("nobody").pw_uid, -1)
    assert list(file_troubles(settings, etc / "mycelium.toml")) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_the_service_does_not_use_the_default_key_of_root(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = keyfile.own_key_path()
    create_identity(own, b"s" * SEED_BYTES, parents=True)
    assert list(file_troubles(Settings(key_file=own), etc / "mycelium.toml")) == []
    (etc / "unit").unlink()
    create_network_key(etc / "corp.key")
    monkeypatch.setattr(named_files, "PACKAGED_UNIT_FILE", etc / "packaged")
    assert list(file_troubles(Settings(key_file=own, network_key_file=etc / "corp.key"), etc / "mycelium.toml")) == []
