"""Results on disk: one JSON line per completed run, synchronised to disk before the next one.

An incomplete line, as after a crash, is ignored, so that its run is repeated. Only one process can write at a time.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from mycelium.errors import ConfigError

RESULTS: Final = "results.jsonl"


class ResultStore:
    """The results in a folder: a context manager that holds a lock on the folder."""

    __slots__ = ("_file", "path")

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / RESULTS

    def __enter__(self) -> Self:
        """Opens or creates the file; raises ConfigError if that fails or another process has the lock."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+b", buffering=0)
        except OSError as error:
            raise ConfigError(f"{error.filename}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise ConfigError(f"{self.path}: another sweep is writing to this file") from error
        self._end_half_a_line()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def _end_half_a_line(self) -> None:
        size = self._file.seek(0, os.SEEK_END)
        if size:
            self._file.seek(size - 1)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")

    def append(self, key: str, result: dict[str, Any]) -> None:
        """Appends a result and synchronises it to disk."""
        line = msgspec.json.encode({"key": key, **result}) + b"\n"
        while line:  # an unbuffered file can write a part only
            line = line[self._file.write(line) or 0 :]
        os.fsync(self._file.fileno())

    def done(self) -> set[str]:
        """Returns the keys of the runs that have a summary."""
        return {key for key, result in self.load().items() if result.get("summary") is not None}

    def load(self) -> dict[str, dict[str, Any]]:
        """Returns the newest result of each run by its key, in the order of the first results."""
        results: dict[str, dict[str, Any]] = {}
        with self.path.open("rb") as file:
            for line in file:
                result = _decode(line)
                if result is not None:
                    results[str(result["key"])] = result
        return results


def _decode(line: bytes) -> dict[str, Any] | None:
    try:
        result = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None
    return result if isinstance(result.get("spec"), dict) and "key" in result else None
