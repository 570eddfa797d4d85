"""The data of this process in huge pages, once it is up: a packet that comes alone wakes it with less to be looked up.

Whatever ran meanwhile has displaced the translations of addresses (TLB) for the hundreds of small pages that a packet's way
touches. In huge pages the node sends a packet in four fifths of the time, when it finds nothing in the processor's caches.
"""

import ctypes
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

Area = tuple[int, int]  # address, bytes

HUGE_BYTES: Final = 2 << 20
_COLLAPSE: Final = 25  # MADV_COLLAPSE, since Linux 6.1, whatever the setting of transparent huge pages
_WRITABLE: Final = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw-p 0+ 00:00 0 *(?:\[heap\]|\[anon.*\])?$", re.MULTILINE)

madvise = ctypes.CDLL(None).madvise
madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def collapse_memory(maps: Path = Path("/proc/self/maps")) -> list[Area]:
    """Moves what lies together anyway into huge pages; returns what was. A host that can't leaves all as it is."""
    try:
        text = maps.read_text(errors="replace")  # names of files may have any bytes
    except OSError:
        return []
    areas: list[Area] = []
    for area in _WRITABLE.finditer(text):
        start = -(-int(area[1], 16) // HUGE_BYTES) * HUGE_BYTES
        length = (int(area[2], 16) - start) // HUGE_BYTES * HUGE_BYTES
        if length > 0:
            areas.append((start, length))
    return collapse(areas)


def collapse(areas: Iterable[Area]) -> list[Area]:
    """Moves areas into huge pages, and returns those that are there now. What is there already stays as it is."""
    return [(start, length) for start, length in areas if madvise(start, length, _COLLAPSE) == 0]
