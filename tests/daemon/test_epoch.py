"""Epochs grow from start to start, whatever the clock and the file beside the key say."""

import errno
import os
import resource
import signal
import time
from pathlib import Path

import pytest

from mycelium.admin.state_file import read_state
from mycelium.daemon.epoch import EPOCH_LIMIT, next_epoch
from mycelium.errors import LocalError

NOON = 1_800_000_000


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOON + 0.5)


def kept(folder: Path) -> Path:
    return folder / "key.epoch"


def kept_text(folder: Path) -> str:
    return read_state(kept(folder), error=LocalError).content.decode()


def test_the_first_epoch_is_the_clocks(tmp_path: Path) -> None:
    assert next_epoch(tmp_path / "key") == NOON
    assert kept_text(tmp_path) == f"{NOON}\n"


def test_a_second_start_in_the_same_second_gets_a_larger_epoch(tmp_path: Path) -> None:
    assert [next_epoch(tmp_path / "key") for _ in range(3)] == [NOON, NOON + 1, NOON + 2]


def test_a_clock_that_was_set_back_gives_no_smaller_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    next_epoch(tmp_path / "key")
    monkeypatch.setattr(time, "time", lambda: 12.0)
    assert next_epoch(tmp_path / "key") == NOON + 1


def test_of_the_first_start_nothing_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    next_epoch(tmp_path / "key")
    next_epoch(tmp_path / "key")
    assert caplog.messages == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 11,
        b"yesterday\n",
        b"\xff\xfe",
        b"1e9",
        b"-5",
        b"1_000",
        b"99999999999999",
        b"4294901760\n",
        b"7" * 5_000,
    ],
)
def test_a_damaged_file_counts_as_none_and_is_said(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    kept(tmp_path).write_bytes(content)
    assert next_epoch(tmp_path / "key") == NOON
    assert caplog.messages == [f"the time of the last start is not known: {kept(tmp_path)} holds something else"]
    assert kept_text(tmp_path) == f"{NOON}\n"


def test_the_file_of_a_newer_version_is_said_to_be_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept(tmp_path).write_bytes(b"# mycelium 999.1\nepoch: 7\n")
    assert next_epoch(tmp_path / "key") == NOON
    [told] = caplog.messages
    assert told.startswith(
        f"the time of the last start is not known: {kept(tmp_path)} was written by mycelium 999.1, and"
    )


def test_no_epoch_is_beyond_what_the_wire_carries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1e11)
    assert next_epoch(tmp_path / "key") == EPOCH_LIMIT
    monkeypatch.setattr(time, "time", lambda: NOON)
    assert next_epoch(tmp_path / "key") == NOON, "the nonsense is not kept for ever"


def in_place_of_the_file(folder: Path, what: str) -> None:
    match what:
        case "a folder":
            (kept(folder) / "full").mkdir(parents=True)
        case "a pipe":
            os.mkfifo(kept(folder))
        case "a dangling link":
            kept(folder).symlink_to(folder / "nowhere" / "file")


@pytest.mark.parametrize("what", ["a folder", "a pipe", "a dangling link"])
def test_what_is_no_file_keeps_no_node_from_starting(
    tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    in_place_of_the_file(tmp_path, what)
    assert next_epoch(tmp_path / "key") == NOON
    assert caplog.messages[0].startswith("the time of the last start is not known: ")
    assert len(caplog.messages) == (2 if what == "a folder" else 1)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO, errno.EACCES])
@pytest.mark.parametrize("call", ["tempfile.mkstemp", "os.fsync", "os.replace"])
def test_a_disk_that_takes_nothing_keeps_no_node_from_starting(
    tmp_path: Path, code: int, call: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept(tmp_path).write_text(f"{NOON + 7}\n")

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(call, fail)
    assert next_epoch(tmp_path / "key") == NOON + 8
    [said] = caplog.messages
    assert said.startswith(
        f"cannot note the time of this start in {kept(tmp_path)}: {os.strerror(code)}; should the clock"
    )
    assert kept(tmp_path).read_text() == f"{NOON + 7}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["key.epoch"], "no part of a file is left"


def test_a_file_that_may_not_grow_is_left_as_it_was(tmp_path: Path) -> None:
    """As on a full disk: the kernel takes no byte (RLIMIT_FSIZE)."""
    kept(tmp_path).write_text(f"{NOON + 7}\n")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        epoch = next_epoch(tmp_path / "key")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert epoch == NOON + 8
    assert kept(tmp_path).read_text() == f"{NOON + 7}\n"
