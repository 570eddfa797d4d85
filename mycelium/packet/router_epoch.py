"""When a router lost its mappings: the epoch that it announces by PCP (RFC 6887, section 8.5) or NAT-PMP (RFC 6886).

0  1   version: 2 is PCP's, 0 NAT-PMP's
1  1   0x80: an answer, to a request that nobody made
2  2   result: 0, in PCP after a reserved byte
4  4   NAT-PMP: seconds since the router lost its state; its outside address follows
8  4   PCP: seconds since the router lost its state; 12 reserved bytes follow
"""

import struct
from typing import Final

from mycelium.errors import DecodeError

ANNOUNCEMENT_PORT: Final = 5350  # where hosts hear it
ANNOUNCEMENT_GROUP: Final = "224.0.0.1"  # all hosts of a network

# Clocks may differ by this much, and by a sixteenth of the time that has passed.
_SLACK_S: Final = 2
_DRIFT: Final = 1 / 16
_BACK_S: Final = 1  # announcements may be overtaken by later ones
_PCP: Final = struct.Struct("!BBxB4xI12x")
_NAT_PMP: Final = struct.Struct("!BBHI4x")
_PCP_HEAD: Final = (2, 0x80, 0)
_NAT_PMP_HEAD: Final = (0, 0x80, 0)


def announced_epoch(data: bytes) -> int:
    """Decodes an announcement; raises DecodeError."""
    if len(data) >= _PCP.size:
        *head, epoch = _PCP.unpack_from(data)
        if tuple(head) == _PCP_HEAD:
            return int(epoch)
    if len(data) == _NAT_PMP.size:
        *head, epoch = _NAT_PMP.unpack(data)
        if tuple(head) == _NAT_PMP_HEAD:
            return int(epoch)
    raise DecodeError("not an announcement of PCP or NAT-PMP")


class RouterEpoch:
    """What one router has announced last. It repeats itself, so not each announcement is news."""

    def __init__(self) -> None:
        self._last: tuple[int, float] | None = None  # epoch, and when it was announced

    def has_restarted(self, epoch: int, *, now: float) -> bool:
        """Tells whether the router has lost its state since the announcement before; so it has if this is the first."""
        before, self._last = self._last, (epoch, now)
        if before is None:
            return True
        counted, passed = epoch - before[0], now - before[1]
        is_ahead = passed + _SLACK_S < counted * (1 - _DRIFT)
        is_behind = counted + _SLACK_S < passed * (1 - _DRIFT)
        return counted < -_BACK_S or is_ahead or is_behind
