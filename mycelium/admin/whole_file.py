"""Writes files whole: after a crash, a kill or a full disk there is the old file or the new one, never a part."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PUBLIC: Final = 0o644  # mode of a file without secrets


def replace_whole(path: Path, data: bytes, *, mode: int) -> None:
    """Writes a file in place of one that may be there, synced to disk; `mode` holds whatever the umask is. Raises OSError."""
    with _written_apart(path, data, mode) as temporary:
        os.replace(temporary, path)


def create_whole(path: Path, data: bytes, *, mode: int) -> None:
    """Writes a file that is not there yet, synced to disk; raises FileExistsError if it is, or another OSError."""
    with _written_apart(path, data, mode) as temporary:
        os.link(temporary, path)  # unlike a rename, a link never replaces a file


@contextlib.contextmanager
def _written_apart(path: Path, data: bytes, mode: int) -> Iterator[str]:
    """Writes a temporary file beside `path`, and has what the block makes of it written to disk too."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        yield temporary
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    """Has the names in a folder written to disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
