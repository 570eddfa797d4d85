"""Probes by which the two ends of a session find out over which next hops they reach each other (after RFC 5534).

They are items of data trains, so no relay can tell them from packets, but by their length.

    0  1  kind: 1 probe; 2 probe of who heard no answer to others, answered over several next hops; 3 answer; 4 hint
    1  3  zeros
    4  8  token: random, chosen by who probes, another one for each next hop; an answer quotes it; zeros in a hint
    12 16 node that a neighbour seems not to reach, in a hint; else zeros
"""

import struct
from enum import IntEnum
from typing import Final

from msgspec import Struct

from mycelium.errors import DecodeError

REACHABILITY: Final = struct.Struct("!Bxxx8s16s")
TOKEN_BYTES: Final = 8
_NOBODY: Final = bytes(16)


class ProbeKind(IntEnum):
    """What an item about reachability is."""

    PROBE = 1
    EXPLORE = 2
    ANSWER = 3
    LOOK = 4


class Reach(Struct, frozen=True):
    """A probe, an answer, or a hint that a node does not answer."""

    kind: ProbeKind
    token: bytes
    node: bytes = _NOBODY


def encode_reach(reach: Reach) -> bytes:
    """Returns the content of an item."""
    return REACHABILITY.pack(reach.kind, reach.token, reach.node)


def decode_reach(data: bytes | memoryview) -> Reach | None:
    """Returns a probe, an answer or a hint, None for an unknown kind; raises DecodeError."""
    if len(data) < REACHABILITY.size:
        raise DecodeError("truncated probe of a way")
    kind, token, node = REACHABILITY.unpack_from(data)
    return Reach(ProbeKind(kind), token, node) if kind in list(ProbeKind) else None
