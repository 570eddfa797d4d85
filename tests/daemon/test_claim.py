"""A key belongs to one daemon at a time."""

import fcntl
from pathlib import Path

import pytest

from mycelium.daemon.claim import claimed_identity, is_claimed
from mycelium.errors import IdentityError


def test_a_key_in_use_is_refused_until_it_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "key"
    in_use = pytest.raises(IdentityError, match=f"another mycelium is running with the key {path}")
    with claimed_identity(path) as identity, in_use, claimed_identity(path):
        pass
    with claimed_identity(path) as again:
        assert again.address == identity.address


def test_whether_a_key_is_in_use_can_be_asked(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert not is_claimed(path)
    with claimed_identity(path):
        assert is_claimed(path)
    assert not is_claimed(path)


def test_where_files_cannot_be_locked_it_is_said_and_the_node_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with claimed_identity(tmp_path / "key"):
        pass
    assert (
        f"a second mycelium with the key {tmp_path / 'key'} would not be noticed: Operation not supported"
        in caplog.messages
    )
