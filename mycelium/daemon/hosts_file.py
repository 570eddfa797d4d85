"""Keeps the names of nodes in a hosts file, between two lines of its own; the rest of the file stays as it is."""

import asyncio
import logging
from ipaddress import IPv6Address
from pathlib import Path
from time import monotonic
from typing import Final

from mycelium.daemon.threads import in_thread
from mycelium.limits import HOSTS_NAMES
from mycelium.node.zone import Zone

log = logging.getLogger("mycelium")

WRITE_EVERY_S: Final = 2.0  # least time between two writes, each only after a change
BEGIN: Final = "# mycelium: begin (written anew by its daemon)"
END: Final = "# mycelium: end"


class HostsFile:
    """The block of one node in a hosts file."""

    def __init__(self, zone: Zone, path: Path) -> None:
        self._zone = zone
        self._path = path
        self._written: dict[str, bytes] = {}

    async def run(self) -> None:
        """Writes whenever names have changed, until it is cancelled; then takes the block out again."""
        try:
            while True:
                names = self._zone.all(now=monotonic())
                if names != self._written:
                    self._written = names
                    await in_thread(lambda names=names: self._write(names))  # type: ignore[misc]
                await asyncio.sleep(WRITE_EVERY_S)
        finally:
            self._write({})

    def _write(self, names: dict[str, bytes]) -> None:
        """Writes in place, as the file may be mounted by itself; a warning where that fails."""
        try:
            with self._path.open("r+", encoding="utf-8", errors="surrogateescape") as file:
                before = file.read()
                after = with_names(before, names)
                if after != before:
                    file.seek(0)
                    file.write(after)
                    file.truncate()
        except OSError as error:
            log.warning("cannot write the names of nodes into %s: %s", self._path, error.strerror)


def with_names(text: str, names: dict[str, bytes]) -> str:
    """Returns the text of a hosts file with these names, and none of those that it had between the two lines."""
    kept, _, rest = text.partition(f"{BEGIN}\n")
    kept += rest.partition(f"{END}\n")[2]
    if not names:
        return kept
    lines = [f"{IPv6Address(node)} {name}" for name, node in list(names.items())[:HOSTS_NAMES]]
    gap = "" if not kept or kept.endswith("\n") else "\n"
    return kept + gap + "\n".join([BEGIN, *lines, END]) + "\n"
