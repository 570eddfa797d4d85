"""Knocks: a datagram that a neighbour sends from another port, to show whether this host can be reached unasked.

    knock         type 0x1c, zeros 15 | nonce 16     32 bytes

The nonce is the one of the control message that asked for it (type 13 of `control.py`).
"""

import struct
from typing import Final

from msgspec import Struct

KNOCK: Final = 0x1C
KNOCK_DATAGRAM: Final = struct.Struct("!B15x16s")
KNOCK_NONCE_BYTES: Final = 16


class KnockWanted(Struct, frozen=True):
    """Asks the receiver to knock where it sees the sender. `nonce` has 16 random bytes."""

    nonce: bytes


def encode_knock(nonce: bytes) -> bytes:
    """Returns a knock."""
    return KNOCK_DATAGRAM.pack(KNOCK, nonce)


def decode_knock(datagram: bytes) -> bytes | None:
    """Returns the nonce of a knock; None for any other datagram."""
    if len(datagram) != KNOCK_DATAGRAM.size or datagram[0] != KNOCK:
        return None
    nonce: bytes = KNOCK_DATAGRAM.unpack(datagram)[1]
    return nonce
