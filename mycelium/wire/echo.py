"""Echoes, by which an operator's node asks another one whether it answers, end to end and without the TUN devices of both.

They are items of data trains, so no relay can read them.

    0  1  kind: 1 request, 2 reply
    1  1  in a request, the hop limit that its train was sent with; in a reply, the links that the request has crossed
    2  2  zeros
    4  8  token: random, chosen by who asks

A reply is as long as its request, and quotes its token. The first byte is none that an IPv6 packet begins with.
"""

import struct
from enum import IntEnum
from typing import Final

from msgspec import Struct

from mycelium.errors import DecodeError

ECHO: Final = struct.Struct("!BBxx8s")
TOKEN_BYTES: Final = 8


class EchoKind(IntEnum):
    """What an echo is."""

    REQUEST = 1
    REPLY = 2


class Echo(Struct, frozen=True):
    """One echo; `hops` is the hop limit of a request, or what it took for a reply."""

    kind: EchoKind
    hops: int
    token: bytes


def encode_echo(echo: Echo) -> bytes:
    """Returns the content of an item."""
    return ECHO.pack(echo.kind, echo.hops, echo.token)


def decode_echo(data: bytes | memoryview) -> Echo | None:
    """Returns an echo, None for one of an unknown kind; raises DecodeError."""
    if len(data) < ECHO.size:
        raise DecodeError("truncated echo")
    kind, hops, token = ECHO.unpack_from(data)
    return Echo(EchoKind(kind), hops, token) if kind in list(EchoKind) else None
