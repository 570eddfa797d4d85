"""Leases of a relay's UDP port: what the ends and the relay say of one, and the datagrams at the port.

Control messages between an end and the relay, which are neighbours (types 6 and 7 of `control.py`):

    request   peer (16), token (4), whether the lease is wanted (1): else it is given up
    answer    peer (16), token (4), state (1), port (2), secret (16): the last two are zeros unless the state says otherwise

Datagrams between an end and the leased port:

    bind        type 0x18, zeros 7 | nonce 16 | mac 16      40 bytes, from the end; its first nonce is zeros
    challenge   type 0x19, zeros 7 | nonce 16 | mac 16      40 bytes, the answer, unless the nonce was valid

The mac is keyed with the secret that the end has from the relay. A challenge makes the end repeat the bind with its nonce,
which proves that it receives at the address that it sends from.
"""

import struct
from enum import IntEnum
from typing import Final

from msgspec import Struct

from mycelium.errors import DecodeError

LEASE_BIND: Final = 0x18
LEASE_CHALLENGE: Final = 0x19
BIND_BYTES: Final = 40
NONCE_BYTES: Final = 16
SECRET_BYTES: Final = 16
TOKEN_BYTES: Final = 4
NO_NONCE: Final = bytes(NONCE_BYTES)

LEASE_REQUEST: Final = struct.Struct("!16s4sB")
LEASE_ANSWER: Final = struct.Struct("!16s4sBH16s")
BIND: Final = struct.Struct("!B7x16s16s")
_MAC_AT: Final = 24


class LeaseState(IntEnum):
    """What the relay says of a lease."""

    # only one end has asked: said to that end in answer, and to the other one as an invitation
    WANTED = 1
    GRANTED = 2  # both have asked: bind an address at the port, with the secret
    OPEN = 3  # both have bound an address: what is sent to the port reaches the peer
    ENDED = 4  # of no use any more
    FULL = 5  # refused: as many leases as there may be, of all neighbours or of one of the two ends
    NOT_OFFERED = 6  # refused: the relay gives none
    NO_NEIGHBOUR = 7  # refused: the relay has no link with the peer
    NO_COMMON_FAMILY = 8  # refused: not both ends reach the relay by UDP over IPv4, or both over IPv6


class LeaseRequest(Struct, frozen=True):
    """Asks a relay for a lease to `peer`, renews it, or gives it up. The answers repeat `token`, 4 bytes."""

    peer: bytes
    token: bytes
    is_wanted: bool = True


class LeaseAnswer(Struct, frozen=True):
    """What has become of a lease to `peer`. `port` and `secret` come with GRANTED and OPEN.

    To an end that has not asked, its token is zeros.
    """

    peer: bytes
    token: bytes
    state: int
    port: int = 0
    secret: bytes = bytes(SECRET_BYTES)


LeaseItem = LeaseRequest | LeaseAnswer


def encode_lease_request(request: LeaseRequest) -> bytes:
    """Returns the body of the control message."""
    return LEASE_REQUEST.pack(request.peer, request.token, request.is_wanted)


def decode_lease_request(body: bytes) -> LeaseRequest:
    """Decodes the body of a control message; raises DecodeError if it is too short."""
    if len(body) < LEASE_REQUEST.size:
        raise DecodeError("truncated lease request")
    peer, token, is_wanted = LEASE_REQUEST.unpack_from(body)
    return LeaseRequest(peer, token, bool(is_wanted))


def encode_lease_answer(answer: LeaseAnswer) -> bytes:
    """Returns the body of the control message."""
    return LEASE_ANSWER.pack(answer.peer, answer.token, answer.state, answer.port, answer.secret)


def decode_lease_answer(body: bytes) -> LeaseAnswer:
    """Decodes the body of a control message; raises DecodeError if it is too short."""
    if len(body) < LEASE_ANSWER.size:
        raise DecodeError("truncated lease answer")
    return LeaseAnswer(*LEASE_ANSWER.unpack_from(body))


def encode_bind(kind: int, nonce: bytes, mac: bytes) -> bytes:
    """Returns a bind or a challenge, whose mac covers `covered_by_mac` of what this returns with any mac."""
    return BIND.pack(kind, nonce, mac)


def decode_bind(data: bytes) -> tuple[int, bytes, bytes]:
    """Returns type, nonce and mac of a bind or a challenge that fills a datagram; raises DecodeError."""
    if len(data) != BIND_BYTES:
        raise DecodeError("wrong length of a bind")
    kind, nonce, mac = BIND.unpack(data)
    if kind not in (LEASE_BIND, LEASE_CHALLENGE):
        raise DecodeError("not a bind")
    return kind, nonce, mac


def covered_by_mac(data: bytes) -> bytes:
    """Returns the bytes of a bind or a challenge that its mac covers."""
    return data[:_MAC_AT]
