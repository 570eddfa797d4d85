"""Signals, by which two nodes arrange a shortcut: a direct link beside the relays that they exchange them through.

They are items of data trains, so no relay can read them.

    0  1  kind: 1 call, 2 answer, 3 start
    1  1  round: number of the call that this belongs to
    2  1  how the sender's NAT maps ports: 0 unknown, 1 endpoint-independent, 2 endpoint-dependent (RFC 4787 section 4.1)
    3  1  number of candidates
    4  1  number of neighbours
    5  3  zeros
    8  8  token of the attempt: random, chosen by the caller
    16    candidates, where the sender may be reached: scheme 1 (0 udp, 1 quic), underlay address 18 (`underlay_address.py`)
          neighbours of the sender, 16 each

A start has neither candidates nor neighbours. Candidates of other schemes are skipped, and so are bytes behind the fields.
"""

import struct
from enum import IntEnum
from typing import Final

from msgspec import Struct

from mycelium.endpoint import Endpoint
from mycelium.errors import DecodeError
from mycelium.limits import SIGNAL_CANDIDATES, SIGNAL_NEIGHBOURS
from mycelium.wire.underlay_address import UNDERLAY_ADDRESS_BYTES, UnderlayAddress, underlay_address

SIGNAL_HEAD: Final = struct.Struct("!BBBBBxxx8s")
SCHEMES: Final = ("udp", "quic")
TOKEN_BYTES: Final = 8

_CANDIDATE_BYTES: Final = 1 + UNDERLAY_ADDRESS_BYTES
_NODE_BYTES: Final = 16


class SignalKind(IntEnum):
    """What a signal is for."""

    CALL = 1
    ANSWER = 2
    START = 3


class Signal(Struct, frozen=True, kw_only=True):
    """One signal; `mapping` is the code of the sender's NAT, an unknown code stands for an unknown mapping."""

    kind: SignalKind
    round: int
    token: bytes
    mapping: int = 0
    candidates: tuple[Endpoint, ...] = ()
    neighbours: tuple[bytes, ...] = ()


def encode_signal(signal: Signal) -> bytes:
    """Returns the content of an item; the numbers of candidates and neighbours must be within their bounds."""
    counts = len(signal.candidates), len(signal.neighbours)
    head = SIGNAL_HEAD.pack(signal.kind, signal.round, signal.mapping, *counts, signal.token)
    candidates = [
        bytes((SCHEMES.index(one.scheme),)) + UnderlayAddress(one.host, one.port).packed() for one in signal.candidates
    ]
    return b"".join((head, *candidates, *signal.neighbours))


def decode_signal(data: bytes) -> Signal | None:
    """Returns a signal, None for one of an unknown kind; raises DecodeError."""
    if len(data) < SIGNAL_HEAD.size:
        raise DecodeError("truncated signal")
    kind, round_, mapping, candidates, neighbours, token = SIGNAL_HEAD.unpack_from(data)
    first_neighbour = SIGNAL_HEAD.size + candidates * _CANDIDATE_BYTES
    end = first_neighbour + neighbours * _NODE_BYTES
    if candidates > SIGNAL_CANDIDATES or neighbours > SIGNAL_NEIGHBOURS or end > len(data):
        raise DecodeError("wrong length of a signal")
    if kind not in list(SignalKind):
        return None
    places = range(SIGNAL_HEAD.size, first_neighbour, _CANDIDATE_BYTES)
    return Signal(
        kind=SignalKind(kind),
        round=round_,
        token=token,
        mapping=mapping,
        candidates=tuple(
            Endpoint(SCHEMES[data[at]], *underlay_address(data[at + 1 : at + _CANDIDATE_BYTES]))
            for at in places
            if data[at] < len(SCHEMES)
        ),
        neighbours=tuple(data[at : at + _NODE_BYTES] for at in range(first_neighbour, end, _NODE_BYTES)),
    )
