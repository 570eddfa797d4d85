"""Two ends of a stream in memory, with its bytes cut anywhere on the way."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, repeat
from typing import Protocol

from mycelium.transport.base import Buffer
from mycelium.transport.certificate import ServerCertificate
from mycelium.transport.streams.stack import AcceptedStack

UPGRADE = (
    b"GET /chat HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FINAL, COMPRESSED = 0x80, 0x40


class Streaming(Protocol):
    """What a layer and a stack have in common."""

    def receive(self, data: Buffer) -> Buffer: ...
    def send(self, data: Buffer) -> Buffer: ...
    def take_answers(self) -> bytes: ...


@cache
def certificate() -> ServerCertificate:
    """Returns a self-made certificate; making one anew takes a while."""
    return ServerCertificate(now=0.0)


def accepted() -> AcceptedStack:
    """Returns the stack of an accepted connection."""
    return AcceptedStack(lambda: certificate().context(now=0.0))


@dataclass
class StreamEnd:
    """One end: what it has received, and what it still has on the wire."""

    stream: Streaming
    received: bytearray = field(default_factory=bytearray)
    wire: bytearray = field(default_factory=bytearray)

    def send(self, data: bytes) -> None:
        """Puts bytes on the wire."""
        self.wire += self.stream.send(data)

    def take_from(self, other: "StreamEnd", count: int) -> None:
        """Takes at most `count` bytes from the other end's wire."""
        data = bytes(other.wire[:count])
        del other.wire[:count]
        if data:
            try:
                self.received += self.stream.receive(data)
            finally:
                self.wire += self.stream.take_answers()


def pump(one: StreamEnd, other: StreamEnd, cuts: Iterator[int] | None = None) -> None:
    """Carries bytes both ways, in pieces of these sizes, until nothing is under way."""
    sizes = chain(cuts or (), repeat(1 << 20))
    for end in (one, other):
        end.wire += end.stream.take_answers()
    while one.wire or other.wire:
        other.take_from(one, next(sizes))
        one.take_from(other, next(sizes))


def joined(one: Streaming, other: Streaming) -> tuple[StreamEnd, StreamEnd]:
    """Lets two ends open their stream."""
    ends = StreamEnd(one), StreamEnd(other)
    pump(*ends)
    return ends


def frame(opcode: int, payload: bytes = b"", *, flags: int = FINAL, length: int | None = None) -> bytes:
    """Returns a frame as a client sends it, masked with zeros; its length may be a lie."""
    return struct.pack(">BBQ4x", flags | opcode, 0x80 | 127, len(payload) if length is None else length) + payload
