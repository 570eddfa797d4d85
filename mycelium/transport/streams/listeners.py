"""The listening sockets of a transport of streams: they accept at a bounded rate."""

import errno
import select
import socket
from collections.abc import Iterable, Iterator
from math import inf
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.limits import TCP_ACCEPTED_PER_SECOND
from mycelium.timing import TokenBucket
from mycelium.transport.streams.sockets import endpoint_at

ACCEPTS_PER_POLL: Final = 4
BUSY_PAUSE_S: Final = 0.05  # pause in accepting after too many connections a second
EXHAUSTED_PAUSE_S: Final = 1.0  # pause in accepting where this process or the system is out of descriptors or memory
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Listeners:
    """Any number of listening sockets, registered with an epoll; while one pauses, connections wait in the kernel."""

    def __init__(self, sockets: Iterable[socket.socket], epoll: select.epoll, *, now: float) -> None:
        self.resume_at = inf  # when `resume` is due
        self._sockets = {listener.fileno(): listener for listener in sockets}
        self._epoll = epoll
        self._rate = TokenBucket(TCP_ACCEPTED_PER_SECOND, now=now)
        for descriptor in self._sockets:
            epoll.register(descriptor, select.EPOLLIN)

    def __contains__(self, descriptor: int) -> bool:
        return descriptor in self._sockets

    @property
    def endpoints(self) -> list[Endpoint]:
        """Where they listen."""
        return [endpoint_at(listener.getsockname()) for listener in self._sockets.values()]

    def accept(self, descriptor: int, *, now: float) -> Iterator[tuple[socket.socket, Endpoint]]:
        """Yields some of the connections that wait at a listener, and where they come from."""
        for _ in range(ACCEPTS_PER_POLL):
            try:
                stream, address = self._sockets[descriptor].accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause(descriptor, now + EXHAUSTED_PAUSE_S)
                    return
                continue  # the connection ended before it was accepted
            yield stream, endpoint_at(address)
            if not self._rate.take(now=now):
                self._pause(descriptor, now + BUSY_PAUSE_S)
                return

    def resume(self) -> None:
        """Lets all accept again."""
        for descriptor in self._sockets:
            self._epoll.modify(descriptor, select.EPOLLIN)
        self.resume_at = inf

    def close(self) -> None:
        """Closes the sockets; may be called twice."""
        for listener in self._sockets.values():
            listener.close()

    def _pause(self, descriptor: int, until: float) -> None:
        self._epoll.modify(descriptor, 0)  # it stays readable meanwhile
        self.resume_at = min(self.resume_at, until)
