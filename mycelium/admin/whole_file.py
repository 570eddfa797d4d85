"""Writes files whole: after a crash, a kill or a full disk there is the old file or the new one, never a part.

What root writes in place of another user's file stays that user's, and what it writes into a folder of the service's user is
that one's: the daemon could not read it otherwise. In a folder that others may write to, such as /tmp, all is root's: anybody
may have put a file there to be given what takes its place.
"""

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mycelium.admin.service_unit import NAME

PUBLIC: Final = 0o644  # mode of a file without secrets
_FOR_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


def replace_whole(path: Path, data: bytes, *, mode: int) -> None:
    """Writes a file in place of one that may be there, synced to disk; `mode` holds whatever the umask is. Raises OSError."""
    with _written_apart(path, data, mode) as temporary:
        os.replace(temporary, path)


def create_whole(path: Path, data: bytes, *, mode: int, is_daemons: bool = True) -> None:
    """Writes a file that is not there yet, synced to disk; raises FileExistsError if it is, or another OSError.

    One that no daemon reads is root's in the service's folder too.
    """
    with _written_apart(path, data, mode, is_daemons=is_daemons) as temporary:
        os.link(temporary, path)  # unlike a rename, a link never replaces a file


@contextlib.contextmanager
def _written_apart(path: Path, data: bytes, mode: int, *, is_daemons: bool = True) -> Iterator[str]:
    """Writes a temporary file beside `path`, and has what the block makes of it written to disk too."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            if is_daemons and (owner := _owner(path)) is not None:
                with contextlib.suppress(PermissionError):  # of a daemon, which may give nothing away
                    os.fchown(descriptor, *owner)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        yield temporary
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    _sync_directory(path.parent)


def _owner(path: Path) -> tuple[int, int] | None:
    """Returns to whom root is to give a new file: user and group; None for those of this process."""
    import pwd  # here, because it would slow down every command

    if os.geteuid() != 0:
        return None
    folder = path.parent.stat()
    if folder.st_mode & _FOR_OTHERS:
        return None
    with contextlib.suppress(FileNotFoundError):
        old = path.lstat()
        return (old.st_uid, old.st_gid) if stat.S_ISREG(old.st_mode) else None
    with contextlib.suppress(KeyError):
        if pwd.getpwnam(NAME).pw_uid == folder.st_uid:
            return folder.st_uid, folder.st_gid
    return None


def _sync_directory(directory: Path) -> None:
    """Has the names in a folder written to disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
