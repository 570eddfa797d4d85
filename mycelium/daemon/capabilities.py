"""What this process may do without being root (capabilities(7)), by calls that Python does not have.

They are a thread's own: whoever gives some up does so before there is a second thread.
"""

import ctypes
import os
import struct
from typing import Final

# <linux/capability.h>, <linux/prctl.h>
DAC_OVERRIDE: Final = 1 << 1
NET_BIND_SERVICE: Final = 1 << 10
NET_ADMIN: Final = 1 << 12
NAMES: Final = {
    NET_ADMIN: "CAP_NET_ADMIN",
    NET_BIND_SERVICE: "CAP_NET_BIND_SERVICE",
    DAC_OVERRIDE: "CAP_DAC_OVERRIDE",
}

_VERSION_3: Final = 0x2008_0522
_SET_DUMPABLE: Final = 4
_SET_KEEPCAPS: Final = 8
_BOUNDING_DROP: Final = 24
_SET_NO_NEW_PRIVS: Final = 38
_HIGHEST: Final = 64  # bits of a set

_library: Final = ctypes.CDLL(None, use_errno=True)


def permitted() -> int:
    """Returns the capabilities that this process has or may take."""
    sets = ctypes.create_string_buffer(24)
    _checked(_library.capget(_header(), sets))
    low, high = struct.unpack_from("=4xI8xI", sets.raw)
    return int(low | high << 32)


def use(effective: int, *, permitted: int) -> None:
    """Sets what this process has and what it may take; the rest is gone for good. What it runs has none. Raises OSError."""
    words = [one >> shift & 0xFFFF_FFFF for shift in (0, 32) for one in (effective, permitted, 0)]
    _checked(_library.capset(_header(), struct.pack("=6I", *words)))


def bound_to(kept: int) -> None:
    """Keeps programs that this process runs from getting others, as root's do; nothing where that is not allowed."""
    for number in range(_HIGHEST):
        if not kept >> number & 1:
            _library.prctl(_BOUNDING_DROP, number, 0, 0, 0)


def keep_through_change_of_user() -> None:
    """Has the next change of user leave the permitted set as it is."""
    _checked(_library.prctl(_SET_KEEPCAPS, 1, 0, 0, 0))


def never_gain() -> None:
    """Has no program give this process privileges, and nobody of its user, nor a core file, have its memory (prctl(2))."""
    _checked(_library.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked(_library.prctl(_SET_DUMPABLE, 0, 0, 0, 0))


def _header() -> bytes:
    return struct.pack("=Ii", _VERSION_3, 0)


def _checked(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
