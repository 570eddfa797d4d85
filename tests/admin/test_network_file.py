"""The file of a private network: a shared key, or what makes a node a member."""

from pathlib import Path

import pytest

from mycelium.admin.network_file import NetworkFile, decode_membership, encode_member, encode_membership, read_network
from mycelium.errors import ConfigError
from mycelium.identity import Identity
from mycelium.wire.membership import Chain
from tests.support.members import PSK, ROOT, certificate

MEMBER, DELEGATE = Identity(b"m" * 32), Identity(b"d" * 32)
INVITED = (certificate(MEMBER, DELEGATE), certificate(DELEGATE, may_issue=True))


def written(folder: Path, data: bytes) -> Path:
    path = folder / "corp"
    path.touch(mode=0o600)
    path.write_bytes(data)
    return path


def test_a_shared_key_is_one_without_members(tmp_path: Path) -> None:
    assert read_network(written(tmp_path, PSK)) == NetworkFile(PSK)


@pytest.mark.parametrize("chain", [(certificate(MEMBER),), INVITED])
def test_a_members_file_has_key_root_and_certificates(tmp_path: Path, chain: Chain) -> None:
    network = NetworkFile(PSK, ROOT.signing_public_key, chain)
    assert read_network(written(tmp_path, encode_member(network))) == network
    assert decode_membership(encode_membership(network)) == (network.root, network.chain)


def test_a_damaged_file_is_said_to_be(tmp_path: Path) -> None:
    whole = encode_member(NetworkFile(PSK, ROOT.signing_public_key, INVITED))
    for length in (20, 60, len(whole) - 1):
        with pytest.raises(ConfigError, match=r"is damaged: .*'mycelium network admit' makes another one"):
            read_network(written(tmp_path, whole[:length]))
    with pytest.raises(ConfigError, match="cannot read"):
        read_network(tmp_path / "missing")


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, encode_member(NetworkFile(PSK, ROOT.signing_public_key, INVITED)))
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="open to other users"):
        read_network(path)
