"""Keeps the names of nodes in a hosts file, between two lines of its own; the rest of the file stays as it is.

The file is opened by root, and written by whoever the daemon has become.
"""

import asyncio
import contextlib
import logging
import os
from errno import EINVAL
from functools import partial
from ipaddress import IPv6Address
from itertools import dropwhile
from pathlib import Path
from stat import S_ISREG
from time import monotonic
from typing import Final, TextIO

from mycelium.daemon.file_writes import FileWrites
from mycelium.identity import is_overlay_address
from mycelium.limits import HOSTS_NAMES
from mycelium.node.zone import Zone

log = logging.getLogger("mycelium")

WRITE_EVERY_S: Final = 2.0  # least time between two writes, each only after a change
BEGIN: Final = "# mycelium: begin (written anew by its daemon)"
END: Final = "# mycelium: end"


class HostsFile:
    """The block of one node in a hosts file, which is opened at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._written: dict[str, bytes] = {}
        self._writes = FileWrites(f"cannot write the names of nodes into {path}")
        with contextlib.suppress(OSError):  # the first write says it
            self._file = self._opened()

    async def run(self, zone: Zone) -> None:
        """Writes whenever names have changed, until it is cancelled; then takes the block out again."""
        try:
            while True:
                names = zone.all(now=monotonic())
                if names != self._written and await self._writes.write(partial(self._write, names)):
                    self._written = names
                await asyncio.sleep(WRITE_EVERY_S)
        finally:
            self._writes.write_last(partial(self._write, {}))

    def _write(self, names: dict[str, bytes]) -> None:
        """Writes in place, as the file may be mounted by itself. Raises OSError."""
        file = self._file = self._opened()
        file.seek(0)
        before = file.read()
        after = with_names(before, names)
        if after != before:
            file.seek(0)
            file.write(after)
            file.truncate()
            file.flush()

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()

    def _opened(self) -> TextIO:
        """Returns the file that is open, or opens the one that has taken its place; raises OSError."""
        there, file = os.stat(self._path), self._file
        if file is not None and os.path.samestat(there, os.fstat(file.fileno())):
            return file
        self.close()
        self._file = None
        if not S_ISREG(there.st_mode):
            raise OSError(EINVAL, "it is not a regular file")
        return self._path.open("r+", encoding="utf-8", errors="surrogateescape", newline="")


def with_names(text: str, names: dict[str, bytes]) -> str:
    """Returns the text of a hosts file with these names, and none of those that it had between the two lines."""
    kept, _, rest = text.partition(f"{BEGIN}\n")
    block, end, behind = rest.partition(f"{END}\n")
    kept += behind if end else "".join(dropwhile(_is_own, block.splitlines(keepends=True)))
    if not names:
        return kept
    lines = [f"{IPv6Address(node)} {name}" for name, node in list(names.items())[:HOSTS_NAMES]]
    gap = "" if not kept or kept.endswith("\n") else "\n"
    return kept + gap + "\n".join([BEGIN, *lines, END]) + "\n"


def _is_own(line: str) -> bool:
    """Tells whether a line is one of a block's, as behind a block whose end is missing."""
    address, *names = line.split() or [""]
    with contextlib.suppress(ValueError):
        return len(names) == 1 and is_overlay_address(IPv6Address(address).packed)
    return False
