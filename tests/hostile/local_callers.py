"""What programs on the host of a daemon can do to its API: connections that say nothing, and requests that make no sense."""

import contextlib
import socket
from pathlib import Path
from typing import Final

BAD: Final = b"POST /api/v1/\xff HTTP/9.9\r\nContent-Length: x\r\n\r\n"
TIMEOUT_S: Final = 5.0


def hold(api: Path, count: int) -> list[socket.socket]:
    """Returns connections that say nothing."""
    return [_connect(api) for _ in range(count)]


def ask_nonsense(api: Path, count: int) -> None:
    """Makes requests one after the other that no program in its senses makes."""
    for _ in range(count):
        with contextlib.suppress(OSError), _connect(api) as caller:
            caller.sendall(BAD)
            caller.recv(1 << 10)


def _connect(api: Path) -> socket.socket:
    caller = socket.socket(socket.AF_UNIX)
    caller.settimeout(TIMEOUT_S)
    caller.connect(str(api))
    return caller
