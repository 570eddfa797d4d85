"""One TCP connection that carries datagrams: its layers, its send queue, and the incomplete datagram received last."""

import contextlib
import select
import socket
from collections.abc import Sequence
from math import inf
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.errors import DecodeError
from mycelium.limits import STRANGER_BYTES, TCP_UNSENT_ANSWER_BYTES, TCP_UNSENT_CONTROL_BYTES, TCP_UNSENT_DATA_BYTES
from mycelium.transport.backlog import ConnectionQueue
from mycelium.transport.base import Buffer
from mycelium.transport.framing import split
from mycelium.transport.streams.sockets import read
from mycelium.transport.streams.stack import Stack

BYTES_PER_SEND: Final = 64 << 10
BUFFERS_PER_SEND: Final = 64  # well below the kernel's IOV_MAX


class StreamConnection:
    """A connection, dialled or accepted. Its methods raise OSError or EOFError once it has ended.

    `peer` is its other end. `names` are the endpoints that the node may send to, none before an accepted connection has told
    its scheme; the last one is the source of received datagrams. `stack` is None where bytes pass as they are. A connection is
    trusted once the node uses it for a path; before, at most STRANGER_BYTES are read from it.
    """

    __slots__ = (
        "_partial",
        "_rest",
        "_stranger_bytes",
        "arrived_at",
        "events",
        "is_connecting",
        "is_trusted",
        "names",
        "peer",
        "queue",
        "stack",
        "stream",
        "unused_since",
    )

    def __init__(
        self, stream: socket.socket, peer: Endpoint, stack: Stack | None, *, is_connecting: bool, now: float
    ) -> None:
        self.stream = stream
        self.peer = peer
        self.stack = stack
        self.names: tuple[Endpoint, ...] = ()
        self.is_connecting = is_connecting
        self.is_trusted = False
        self.unused_since = now
        self.queue: ConnectionQueue[bytes] = ConnectionQueue(TCP_UNSENT_DATA_BYTES, TCP_UNSENT_CONTROL_BYTES)
        self.arrived_at = inf  # when the last byte read had arrived, in Unix time; infinity if that is unknown
        self.events = 0  # that epoll is registered for
        self._rest: memoryview | None = None  # unsent part of a batch; nothing else may leave before it
        self._partial = b""  # an incomplete datagram with its length
        self._stranger_bytes = 0

    @property
    def endpoint(self) -> Endpoint:
        """The source of received datagrams."""
        return self.names[-1]

    @property
    def is_open(self) -> bool:
        """Tells whether datagrams can be sent; until then they wait."""
        return not self.is_connecting and (self.stack is None or self.stack.is_open)

    @property
    def is_opening(self) -> bool:
        """Tells whether this end has dialled, and the other has not opened the connection yet."""
        return not self.peer.connection and not self.is_open

    @property
    def is_suspended(self) -> bool:
        """Tells whether nothing more is read until the connection is trusted."""
        return not self.is_trusted and self._stranger_bytes >= STRANGER_BYTES

    @property
    def wanted_events(self) -> int:
        """The events that epoll should wait for."""
        if self.is_connecting:
            return select.EPOLLOUT
        readable = 0 if self.is_suspended else select.EPOLLIN
        is_writable = self._rest is not None or (self.queue and self.is_open)
        return readable | (select.EPOLLOUT if is_writable else 0)

    def send(self, pieces: Sequence[Buffer], size: int, *, is_bulk: bool) -> bool:
        """Sends `size` bytes, or queues what the kernel does not accept now; False if they were dropped."""
        if self._rest is not None or self.queue or not self.is_open:
            return self.queue.put(b"".join(pieces), size, is_bulk=is_bulk)
        if self.stack is not None:
            pieces = [self.stack.send(b"".join(pieces))]
            size = len(pieces[0])
        try:
            sent = self.stream.sendmsg(pieces if len(pieces) <= BUFFERS_PER_SEND else [b"".join(pieces)])
        except BlockingIOError:
            sent = 0
        if sent < size:
            self._rest = memoryview(b"".join(pieces))[sent:]
        return True

    def flush(self) -> int:
        """Sends queued bytes as far as the kernel accepts them; returns how many it accepted."""
        flushed = 0
        if self.stack is not None:
            self._queue_answers(self.stack)
        while self._rest is not None or (self.queue and self.is_open):
            rest = self._next_rest() if self._rest is None else self._rest
            try:
                sent = self.stream.send(rest)
            except BlockingIOError:
                sent = 0
            flushed += sent
            self._rest = rest[sent:] if sent < len(rest) else None
            if self._rest is not None:
                break
        return flushed

    def receive(self, scratch: memoryview) -> tuple[list[memoryview], int]:
        """Reads once; returns the datagrams completed by it and the number of bytes read.

        The datagrams are valid until the next call with the same scratch. Raises DecodeError if the stream is malformed, and
        OpeningRefused if the other side does not open it.
        """
        start = 0
        if self.stack is None:
            start = len(self._partial)
            scratch[:start] = self._partial
        room = scratch[start:] if self.is_trusted else scratch[start : start + STRANGER_BYTES - self._stranger_bytes]
        try:
            count, self.arrived_at = read(self.stream, room)
        except BlockingIOError:
            return [], 0
        if not count:
            raise EOFError
        if not self.is_trusted:
            self._stranger_bytes += count
        data = scratch[: start + count]
        if self.stack is not None:
            data = memoryview(self._partial + self._unwrapped(self.stack, data))
        datagrams, end = split(data)
        self._partial = bytes(data[end:])
        return datagrams, count

    def _unwrapped(self, stack: Stack, data: memoryview) -> Buffer:
        try:
            plain = stack.receive(data)
        except BaseException:
            self._say_goodbye()
            raise
        self._queue_answers(stack)
        if self._rest is not None and len(self._rest) > TCP_UNSENT_ANSWER_BYTES:
            raise DecodeError("the peer asks without reading the answers")
        if stack.is_bare:
            self.stack = None
        return plain

    def _queue_answers(self, stack: Stack) -> None:
        """Puts what the layers say by themselves behind what they have said before, in front of all that waits."""
        answers = stack.take_answers()
        if not answers:
            return
        self._rest = memoryview(answers if self._rest is None else bytes(self._rest) + answers)

    def _say_goodbye(self) -> None:
        """Sends the last answers of the layers, unless something is in the way."""
        answers = b"" if self.stack is None else self.stack.take_answers()
        if answers and self._rest is None:
            with contextlib.suppress(OSError):
                self.stream.send(answers)

    def _next_rest(self) -> memoryview:
        pieces = [self.queue.pop()]
        size = len(pieces[0])
        while self.queue and size < BYTES_PER_SEND:
            pieces.append(self.queue.pop())
            size += len(pieces[-1])
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return memoryview(data if self.stack is None else self.stack.send(data))
