"""What a start or a flood leaves behind goes back to the system once it is over.

A start touches pages of programs and libraries that nothing needs later. Frames that wait in a flood are freed in between what
stays, so the C library keeps their pages. It is asked to give them back (malloc_trim(3)) while nobody waits for it. That splits
the huge pages in which something was free, so they are made anew. Both may take longer than neighbours wait for an answer, so
the event loop goes on meanwhile.
"""

import asyncio
import contextlib
import ctypes
import re
from collections.abc import Sequence
from mmap import MADV_DONTNEED
from pathlib import Path
from time import process_time
from typing import Final

from mycelium.daemon.threads import in_thread
from mycelium.huge_pages import Area, collapse, madvise

LOOK_EVERY_S: Final = 20.0
# Shares of a processor: a second of flood takes more than the one, a node at rest, or with little to do, less than the other.
FLOODED: Final = 0.05
QUIET: Final = 0.02

_AREAS: Final = re.compile(r"^(?=[0-9a-f]+-[0-9a-f]+ )", re.MULTILINE)
_OF_FILE: Final = re.compile(
    r"([0-9a-f]+)-([0-9a-f]+) r-.p [0-9a-f]+ \S+ [1-9]\d* .*^Anonymous: +0 kB$", re.MULTILINE | re.DOTALL
)


def forget_files(smaps: Path = Path("/proc/self/smaps")) -> None:
    """Gives back the pages of programs and libraries; those needed again come from the system's cache as they were.

    An area with a page of this process's own stays: relocated data, or what a debugger has written.
    """
    try:
        text = smaps.read_text(errors="replace")  # names of files may have any bytes
    except OSError:
        return
    for area in map(_OF_FILE.match, _AREAS.split(text)):
        if area is not None:
            start = int(area[1], 16)
            madvise(start, int(area[2], 16) - start, MADV_DONTNEED)


class SpareMemory:
    """Looks at how busy this process is; `collapsed` are the areas of its memory that lie in huge pages."""

    def __init__(self, collapsed: Sequence[Area], *, used_s: float) -> None:
        self._collapsed = collapsed
        self._used_s = used_s  # processor seconds at the last look
        self._was_flooded = False
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the GNU C library

    async def run(self) -> None:
        """Looks every LOOK_EVERY_S."""
        while self._trim is not None:
            await asyncio.sleep(LOOK_EVERY_S)
            if self.is_due(process_time()):
                with contextlib.suppress(OSError):  # a host without a thread left for it
                    await in_thread(self.give_back)

    def is_due(self, used_s: float) -> bool:
        """Takes how many processor seconds were used so far; tells whether a flood is over since the last look."""
        share, self._used_s = (used_s - self._used_s) / LOOK_EVERY_S, used_s
        if share > FLOODED:
            self._was_flooded = True
        is_due = self._was_flooded and share < QUIET
        self._was_flooded &= not is_due
        return is_due

    def give_back(self) -> None:
        """Has the C library give back what it has free."""
        if self._trim is not None:
            self._trim(0)
            collapse(self._collapsed)
