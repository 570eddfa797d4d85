"""Why a connection did not open or has ended, in words for operators."""

import errno
import os
from typing import Final

from mycelium.transport.causes import WORDS, cause_of

CONNECT: Final = "connect"  # text of an error of which only the number is known

NOT_CONNECTED: Final = "no answer (nothing is there, or TCP is blocked on the way)"
NOT_OPENED: Final = "it accepts connections, but does not open TLS or a WebSocket"
CLOSED_EARLY: Final = "it closes the connection before TLS or a WebSocket is open"

_CONNECTING: Final = {
    **{number: WORDS[number] for number in (errno.EPERM, errno.ENETUNREACH, errno.ENETDOWN, errno.ENODEV)},
    errno.ECONNREFUSED: "nothing listens there (connection refused)",
    errno.ECONNRESET: "the connection was reset",
    errno.ETIMEDOUT: NOT_CONNECTED,
    errno.EHOSTUNREACH: cause_of(errno.EHOSTUNREACH),
    errno.EACCES: WORDS[errno.EPERM],  # no route says this of a connection
    errno.EADDRNOTAVAIL: "this host has no address or port left to connect from",
}


def connect_failed(error: OSError) -> str:
    """Returns why a connection could not be begun, or did not come about."""
    if error.errno in _CONNECTING:
        return _CONNECTING[error.errno]
    return (os.strerror(error.errno or errno.EIO) if error.strerror == CONNECT else str(error.strerror)).lower()
