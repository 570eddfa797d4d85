"""The files that a run's records are written to as JSON lines. One that can't take more is given up, not the run."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import msgspec

from mycelium.errors import ConfigError


class RecordFiles:
    """A context manager that holds the files open. `complaints` is what became of those that failed."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self._stack = ExitStack()
        self._files: dict[str, BinaryIO] = {}

    def open(self, path: Path) -> None:
        """Adds a file, which is made anew with its folder; raises ConfigError."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("wb", buffering=0)
        except OSError as error:
            raise ConfigError(f"{error.filename}: {error.strerror}") from error
        self.add(str(path), self._stack.enter_context(file))

    def add(self, name: str, file: BinaryIO) -> None:
        """Adds a file that is open and stays so."""
        self._files[name] = file

    def write(self, record: dict[str, Any]) -> None:
        """Writes a record to each file that has taken all before it; raises BrokenPipeError once nobody reads a pipe."""
        line = msgspec.json.encode(record) + b"\n"
        for name, file in list(self._files.items()):
            try:
                rest = memoryview(line)
                while rest:  # an unbuffered file may take a part only
                    rest = rest[file.write(rest) :]
                file.flush()
            except BrokenPipeError:
                raise
            except OSError as error:
                self.complaints.append(f"{name}: {error.strerror}: the records in it are not all")
                del self._files[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()
