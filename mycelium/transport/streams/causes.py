"""Why a connection did not open or has ended, in words for operators."""

import errno
import os
from typing import Final

CONNECT: Final = "connect"  # text of an error of which only the number is known

NOT_CONNECTED: Final = "no answer (nothing is there, or TCP is blocked on the way)"
NOT_OPENED: Final = "it accepts connections, but does not open TLS or a WebSocket"
CLOSED_EARLY: Final = "it closes the connection before TLS or a WebSocket is open"
CLOSED: Final = "it has closed the connection (no mycelium, or one that does not want this node)"
OTHER_PROTOCOL: Final = "it speaks another protocol"
TOO_MANY: Final = "this node has too many connections"

_CONNECTING: Final = {
    errno.ECONNREFUSED: "nothing listens there (connection refused)",
    errno.ECONNRESET: "the connection was reset",
    errno.ETIMEDOUT: NOT_CONNECTED,
    errno.EHOSTUNREACH: "this host is told that it can't be reached (no route to host)",
    errno.ENETUNREACH: "this host has no route to it",
    errno.EPERM: "a firewall of this host forbids it",
    errno.EACCES: "a firewall of this host forbids it",
}


def connect_failed(error: OSError) -> str:
    """Returns why a connection could not be begun, or did not come about."""
    if error.errno in _CONNECTING:
        return _CONNECTING[error.errno]
    return (os.strerror(error.errno or errno.EIO) if error.strerror == CONNECT else str(error.strerror)).lower()
