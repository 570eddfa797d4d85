"""How many files and sockets this process may have open (RLIMIT_NOFILE)."""

import errno
import resource
from typing import Final

from mycelium.errors import DeviceError
from mycelium.limits import API_CONNECTIONS, OPEN_FILES_AT_START, TCP_CONNECTIONS

WANTED: Final = OPEN_FILES_AT_START + TCP_CONNECTIONS + API_CONNECTIONS
_REMEDY: Final = "allow more, with 'ulimit -n' or with LimitNOFILE= in the unit of its service"


def allow_enough() -> None:
    """Raises this process's own limit as far as it is needed and may be; raises DeviceError where it can't start with that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if resource.RLIM_INFINITY != soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    if resource.RLIM_INFINITY != soft < OPEN_FILES_AT_START:
        raise DeviceError(f"this process may open {soft} files and sockets only, not {OPEN_FILES_AT_START}: {_REMEDY}")


def explained(error: Exception) -> Exception:
    """Returns what is behind an error of a task group; in words of its own where no more files could be opened."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, OSError) and error.errno == errno.EMFILE:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return DeviceError(f"this process may not open more than {soft} files and sockets: {_REMEDY}")
    return error
