"""Why the system does not send a datagram, and why a connection of any kind has ended, in words for operators."""

import errno
import os
from typing import Final

CLOSED: Final = "it has closed the connection (no mycelium, or one that does not want this node)"
OTHER_PROTOCOL: Final = "it speaks another protocol"
TOO_MANY: Final = "this node has too many connections"

WORDS: Final = {
    errno.EPERM: "a firewall of this host forbids it",
    errno.EACCES: "a route or a firewall of this host forbids it",
    errno.EINVAL: "a route of this host discards it",
    errno.ENETUNREACH: "this host has no route to it",
    errno.EHOSTUNREACH: "this host is told that it can't be reached",
    errno.ENETDOWN: "the interface towards it is down",
    errno.ENODEV: "the interface towards it is gone",
    errno.EADDRNOTAVAIL: "this host has no address to send from",
}


def cause_of(number: int) -> str:
    """Returns what an errno of a send means, with the system's own words."""
    said = os.strerror(number).lower()
    return f"{WORDS[number]} ({said})" if number in WORDS else f"this host can't send there ({said})"
