"""Messages of speed tests, by which an operator's node measures what gets through to another one, and back.

They are items of data trains, so no relay can read them.

    0  1  kind: 1 request, 2 answer, 3 load, 4 acknowledgement, 5 stop
    1  1  of a request: 1 who asks will send load, 2 the other end is to send it
          of an answer and of a stop: 0 agreed, or all is sent; 1 busy, 2 exhausted, 3 switched off
          of load: 1 wants an acknowledgement
    2  2  of a request: for how long, in units of 10 ms
    4  8  token: random, chosen by who asks, the same in all messages of one test

Load goes on with its number, from 0, and filling:
    12 4  number

An acknowledgement goes on with what has arrived of the load:
    12 4  highest number
    16 4  how many
    20 8  bytes of these messages
    28 4  microseconds since the first of them arrived

The first byte is none that an IPv6 packet begins with.
"""

import struct
from enum import IntEnum
from typing import Final, NamedTuple

from msgspec import Struct

from mycelium.errors import DecodeError

SPEED_HEAD: Final = struct.Struct("!BBH8s")
LOAD_NUMBER: Final = struct.Struct("!I")
ACKNOWLEDGEMENT: Final = struct.Struct("!IIQI")
LOAD_HEAD_BYTES: Final = SPEED_HEAD.size + LOAD_NUMBER.size
TOKEN_BYTES: Final = 8

SENDS_LOAD: Final = 1
WANTS_LOAD: Final = 2
WANTS_ACKNOWLEDGEMENT: Final = 1
_TICK_S: Final = 0.01
_MOST_TICKS: Final = 0xFFFF
_MOST_US: Final = 0xFFFF_FFFF


class SpeedKind(IntEnum):
    """What a message is."""

    REQUEST = 1
    ANSWER = 2
    LOAD = 3
    ACKNOWLEDGEMENT = 4
    STOP = 5


class SpeedReason(IntEnum):
    """Why a request is refused, or load ends."""

    NONE = 0
    BUSY = 1  # with another test
    EXHAUSTED = 2  # no more may be sent in answer
    OFF = 3


class SpeedHead(Struct, frozen=True):
    """What all messages begin with; `seconds` is that of a request."""

    kind: SpeedKind
    token: bytes
    code: int = 0
    seconds: float = 0.0


class Arrivals(NamedTuple):
    """What has arrived of the load; `elapsed_s` is the time since the first of it."""

    newest: int
    trains: int
    bytes: int
    elapsed_s: float


def encode_speed(head: SpeedHead, arrivals: Arrivals | None = None) -> bytes:
    """Returns the content of an item other than load."""
    ticks = min(round(head.seconds / _TICK_S), _MOST_TICKS)
    packed = SPEED_HEAD.pack(head.kind, head.code, ticks, head.token)
    if arrivals is None:
        return packed
    *counts, elapsed_s = arrivals
    return packed + ACKNOWLEDGEMENT.pack(*counts, min(round(elapsed_s * 1e6), _MOST_US))


def encode_load(token: bytes, number: int, length: int, *, wants_acknowledgement: bool) -> bytes:
    """Returns the content of an item of `length` bytes, at least LOAD_HEAD_BYTES."""
    head = SPEED_HEAD.pack(SpeedKind.LOAD, int(wants_acknowledgement), 0, token) + LOAD_NUMBER.pack(number)
    return head.ljust(length, b"\0")


def decode_speed(data: bytes | memoryview) -> SpeedHead | None:
    """Returns the head of a message, None for one of an unknown kind; raises DecodeError."""
    if len(data) < SPEED_HEAD.size:
        raise DecodeError("truncated message of a speed test")
    kind, code, ticks, token = SPEED_HEAD.unpack_from(data)
    return SpeedHead(SpeedKind(kind), token, code, ticks * _TICK_S) if kind in list(SpeedKind) else None


def load_number(data: bytes | memoryview) -> int:
    """Returns the number of a piece of load; raises DecodeError."""
    if len(data) < LOAD_HEAD_BYTES:
        raise DecodeError("truncated load")
    number: int = LOAD_NUMBER.unpack_from(data, SPEED_HEAD.size)[0]
    return number


def read_arrivals(data: bytes | memoryview) -> Arrivals:
    """Returns what an acknowledgement says; raises DecodeError."""
    if len(data) < SPEED_HEAD.size + ACKNOWLEDGEMENT.size:
        raise DecodeError("truncated acknowledgement of load")
    newest, trains, bytes_, elapsed_us = ACKNOWLEDGEMENT.unpack_from(data, SPEED_HEAD.size)
    return Arrivals(newest, trains, bytes_, elapsed_us * 1e-6)
