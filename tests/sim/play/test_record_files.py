"""A file that can't take more ends no run, and is named."""

import io
import os
from pathlib import Path

import msgspec
import pytest

from mycelium.errors import ConfigError
from sim.play.record_files import RecordFiles

FULL = Path("/dev/full")


def test_records_are_lines_in_every_file(tmp_path: Path) -> None:
    memory = io.BytesIO()
    with RecordFiles() as files:
        files.open(tmp_path / "new" / "run.jsonl")
        files.add("memory", memory)
        for number in range(3):
            files.write({"number": number})
    text = (tmp_path / "new" / "run.jsonl").read_bytes()
    assert text == memory.getvalue()
    assert [msgspec.json.decode(line) for line in text.splitlines()] == [{"number": number} for number in range(3)]
    assert files.complaints == []


@pytest.mark.skipif(not FULL.exists(), reason="a device that is always full is needed")
def test_a_full_disk_costs_one_file_and_is_said_once(tmp_path: Path) -> None:
    with FULL.open("wb", buffering=0) as full, RecordFiles() as files:
        files.add("full", full)
        files.open(tmp_path / "run.jsonl")
        for number in range(3):
            files.write({"number": number})
    assert files.complaints == ["full: No space left on device: the records in it are not all"]
    assert len((tmp_path / "run.jsonl").read_bytes().splitlines()) == 3


def test_what_cannot_be_opened_is_said_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with RecordFiles() as files:
        with pytest.raises(ConfigError, match="File exists"):
            files.open(tmp_path / "file" / "run.jsonl")
        with pytest.raises(ConfigError, match="Is a directory"):
            files.open(tmp_path)


def test_files_are_closed_at_the_end(tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with RecordFiles() as files:
        files.open(tmp_path / "run.jsonl")
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_reader_that_has_gone_ends_the_run() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb", buffering=0) as pipe, RecordFiles() as files:
        files.add("standard output", pipe)
        with pytest.raises(BrokenPipeError):
            files.write({})
