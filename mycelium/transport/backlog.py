"""What waits in the queues of connections, how much may, and whether local senders should wait for it.

A connection that stands still for a moment, since the process at its other end has no turn, loses nothing: its queue takes
what is under way meanwhile. One that stays slower than its senders has a short queue, and drops what exceeds that.
"""

from collections.abc import Iterable
from typing import Final, TypeVar

from mycelium.limits import STALL_BYTES, UNSENT_BYTES
from mycelium.transport.send_queue import SendQueue

BACKED_UP_SHARE: Final = 2  # local senders wait for a queue that holds more than its limit divided by this
RELIEVED_SHARE: Final = 8  # local senders go on once such a queue holds no more than its limit divided by this

STALL_S: Final = 0.25  # a queue may exceed its limit for so long after local senders were to wait for it
STALLS_SHARE: Final = 2  # no queue may exceed its limit while all together hold more than UNSENT_BYTES divided by this

Item = TypeVar("Item")


class ConnectionQueue(SendQueue[Item]):
    """The queue of one connection; `data_limit` holds for it except in a stall."""

    __slots__ = (
        "_backed_up_bytes",
        "_relieved_bytes",
        "backed_up_at",
        "counted_bytes",
        "data_limit",
        "is_backed_up",
        "is_backlog_told",
    )

    def __init__(self, data_limit: int, control_limit: int) -> None:
        super().__init__(STALL_BYTES, control_limit)
        self.data_limit = data_limit
        self.backed_up_at = 0.0  # when it became so last
        self._backed_up_bytes = data_limit // BACKED_UP_SHARE
        self._relieved_bytes = data_limit // RELIEVED_SHARE
        self.counted_bytes = 0  # its size, as included in the total of all
        self.is_backed_up = False
        self.is_backlog_told = False  # local senders wait for it

    def judge(self, *, now: float) -> int:
        """Updates `is_backed_up` and `is_backlog_told`; returns the change of the latter: 1, -1 or 0."""
        was_told = self.is_backlog_told
        if self.bytes > self._backed_up_bytes and not self.is_backed_up:
            self.is_backed_up = self.is_backlog_told = True
            self.backed_up_at = now
        elif self.bytes <= self._relieved_bytes:
            self.is_backed_up = self.is_backlog_told = False
        return self.is_backlog_told - was_told


class Backlog:
    """The queues of all connections of one transport together."""

    __slots__ = ("_told", "unsent_bytes")

    def __init__(self) -> None:
        self.unsent_bytes = 0
        self._told = 0  # number of queues that local senders wait for

    @property
    def is_waited_for(self) -> bool:
        """Tells whether local senders should wait."""
        return self._told > 0

    def has_room(self, queue: ConnectionQueue[Item], size: int, *, now: float) -> bool:
        """Tells whether so much bulk data may be added to a queue, as far as `put` does not refuse it."""
        if queue.bytes + size <= queue.data_limit:
            return self.unsent_bytes < UNSENT_BYTES
        is_stall = not queue.is_backed_up or now - queue.backed_up_at < STALL_S
        return is_stall and self.unsent_bytes < UNSENT_BYTES // STALLS_SHARE

    def follow(self, queue: ConnectionQueue[Item], *, now: float) -> None:
        """Takes a change of one queue."""
        self.unsent_bytes += queue.bytes - queue.counted_bytes
        queue.counted_bytes = queue.bytes
        self._told += queue.judge(now=now)

    def forget(self, queue: ConnectionQueue[Item]) -> None:
        """Takes the end of a connection."""
        self.unsent_bytes -= queue.counted_bytes
        self._told -= queue.is_backlog_told

    def stop_waiting(self, queues: Iterable[ConnectionQueue[Item]]) -> None:
        """Has local senders wait no longer for any of them, until it is relieved and backed up anew."""
        self._told = 0
        for queue in queues:
            queue.is_backlog_told = False
