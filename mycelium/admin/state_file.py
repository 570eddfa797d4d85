"""The files that a daemon keeps for itself beside its key: a line with the version that wrote them, then their content.

Files without that line were written before there was one, or by who wants earlier versions to read them.
"""

import os
import re
from pathlib import Path
from typing import Final

from msgspec import Struct

from mycelium import __version__
from mycelium.admin.private_file import MAX_BYTES, read_with_mode, replace_private
from mycelium.errors import LocalError

_LINE: Final = re.compile(rb"# mycelium ([0-9][0-9A-Za-z.+-]{0,40})\n")
_LINE_BYTES: Final = 64  # more than the line has


class KeptState(Struct, frozen=True):
    """What such a file holds, and the version that wrote it; empty where it does not say."""

    path: Path
    content: bytes
    version: str = ""

    def misfit(self) -> str:
        """Returns why this version can't read the content, with the remedy where there is one."""
        if _parts(self.version) <= _parts(__version__):
            return f"{self.path} {'is damaged' if self.version else 'holds something else'}"
        return (
            f"{self.path} was written by mycelium {self.version}, and this is {__version__}, which can't read it: run that "
            "version again before this one writes the file anew"
        )


def read_state(path: Path, *, error: type[LocalError], most: int = MAX_BYTES) -> KeptState:
    """Returns the first bytes of a file that the daemon keeps itself, which so is no link to a file of others."""
    if path.is_symlink():
        raise error(f"{path} is a symbolic link")
    data, _ = read_with_mode(path, name=str(path), error=error, most=_LINE_BYTES + most, flags=os.O_NOFOLLOW)
    line = _LINE.match(data)
    return (
        KeptState(path, data[:most]) if line is None else KeptState(path, data[line.end() :][:most], line[1].decode())
    )


def write_state(path: Path, content: bytes) -> None:
    """Writes a file in place of one that may be there, whole. Raises OSError."""
    replace_private(path, f"# mycelium {__version__}\n".encode() + content)


def _parts(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]+", version)]
