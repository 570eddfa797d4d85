"""The file of a private network: a shared key, or what makes a node a member."""

from pathlib import Path

import pytest

from mycelium.admin.network_file import NetworkFile, read_network, write_member
from mycelium.errors import ConfigError
from mycelium.identity import Identity
from mycelium.wire.membership import Chain, Credentials
from tests.support.members import PSK, ROOT_KEY, certificate, invited

MEMBER, DELEGATE = Identity(b"m" * 32), Identity(b"d" * 32)
INVITED = Credentials(ROOT_KEY, invited(MEMBER, DELEGATE))


def written(folder: Path, data: bytes) -> Path:
    path = folder / "corp"
    path.touch(mode=0o600)
    path.write_bytes(data)
    return path


def test_a_shared_key_is_one_without_members(tmp_path: Path) -> None:
    assert read_network(written(tmp_path, PSK)) == NetworkFile(PSK)


@pytest.mark.parametrize("credentials", [Credentials(ROOT_KEY, Chain(certificate(MEMBER))), INVITED])
def test_a_members_file_has_key_root_and_certificates(tmp_path: Path, credentials: Credentials) -> None:
    write_member(tmp_path / "corp", PSK, credentials)
    assert read_network(tmp_path / "corp") == NetworkFile(PSK, credentials)


def test_a_members_file_of_before_says_what_to_do(tmp_path: Path) -> None:
    older = written(tmp_path, b"mycelium-member\n" + PSK + bytes(32 + 105))
    with pytest.raises(
        ConfigError, match=r"certificates have no ML-DSA signatures: .*network admit' with the same root"
    ):
        read_network(older)


def test_a_members_file_of_later_says_what_to_do(tmp_path: Path) -> None:
    for label in (b"mycelium-member-3", b"mycelium-network-key-2"):
        with pytest.raises(ConfigError, match=f"begins with '{label.decode()}', as a version of mycelium newer than"):
            read_network(written(tmp_path, label + b"\n" + PSK + bytes(100)))
    with pytest.raises(ConfigError, match="is damaged: its first line breaks off; 'mycelium network admit'"):
        read_network(written(tmp_path, b"mycelium-member-"))


def test_a_damaged_file_is_said_to_be(tmp_path: Path) -> None:
    write_member(tmp_path / "whole", PSK, INVITED)
    whole = (tmp_path / "whole").read_bytes()
    for length in (20, 60, 3_000, len(whole) - 1):
        with pytest.raises(ConfigError, match=r"is damaged: .*'mycelium network admit' makes another one"):
            read_network(written(tmp_path, whole[:length]))
    with pytest.raises(ConfigError, match="cannot read"):
        read_network(tmp_path / "missing")
    with pytest.raises(ConfigError, match="is damaged"):
        read_network(written(tmp_path, whole + b"x"))


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "corp"
    write_member(path, PSK, INVITED)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="open to other users"):
        read_network(path)
