"""Epochs grow from start to start, whatever the clock and the file beside the key say."""

import time
from pathlib import Path

import pytest

from mycelium.daemon.epoch import EPOCH_LIMIT, next_epoch
from mycelium.errors import IdentityError

NOON = 1_800_000_000


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOON + 0.5)


def kept(folder: Path) -> Path:
    return folder / "key.epoch"


def test_the_first_epoch_is_the_clocks(tmp_path: Path) -> None:
    assert next_epoch(tmp_path / "key") == NOON
    assert kept(tmp_path).read_text() == f"{NOON}\n"


def test_a_second_start_in_the_same_second_gets_a_larger_epoch(tmp_path: Path) -> None:
    assert [next_epoch(tmp_path / "key") for _ in range(3)] == [NOON, NOON + 1, NOON + 2]


def test_a_clock_that_was_set_back_gives_no_smaller_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    next_epoch(tmp_path / "key")
    monkeypatch.setattr(time, "time", lambda: 12.0)
    assert next_epoch(tmp_path / "key") == NOON + 1


@pytest.mark.parametrize("content", [b"", b"yesterday\n", b"\xff\xfe", b"1e9"])
def test_a_damaged_file_counts_as_none(tmp_path: Path, content: bytes) -> None:
    kept(tmp_path).write_bytes(content)
    assert next_epoch(tmp_path / "key") == NOON


def test_no_epoch_is_beyond_what_the_wire_carries(tmp_path: Path) -> None:
    kept(tmp_path).write_text(str(1 << 40))
    assert next_epoch(tmp_path / "key") == EPOCH_LIMIT


def test_an_epoch_that_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    kept(tmp_path).mkdir()
    with pytest.raises(IdentityError, match=r"key\.epoch: Is a directory"):
        next_epoch(tmp_path / "key")
