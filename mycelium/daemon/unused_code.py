"""Code that only the start has run leaves the memory of this process.

The kernel keeps it as contents of files. What is called again comes back at once, in pieces of 16 pages.
"""

import ctypes
import re
from pathlib import Path
from typing import Final

_DONTNEED: Final = 4  # MADV_DONTNEED
_CODE: Final = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ \d+ +/", re.MULTILINE)  # never written to, so no copy

_madvise = ctypes.CDLL(None).madvise
_madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def forget_code(maps: Path = Path("/proc/self/maps")) -> int:
    """Takes the code of all files out of memory; returns how many areas. A host that hides them leaves all as it is."""
    try:
        text = maps.read_text()
    except OSError:
        return 0
    areas = [(int(area[1], 16), int(area[2], 16)) for area in _CODE.finditer(text)]
    return sum(_madvise(start, end - start, _DONTNEED) == 0 for start, end in areas)
