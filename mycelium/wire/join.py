"""Joining by invitation: datagrams between a node that was invited and the member of the network that invited it.

    join request  type 0x1a, version, part 1, zero | hint 8 | e 32 | s 48 | sealed: fingerprint 16, zeros 424 | mac 16   548
    join reply    type 0x1b, version, part 1, zero | e 32 | sealed part of the answer 512                                548

Both are of one size, so that nobody is sent more than came: an answer that is longer, as it has certificates, is asked for part
by part. The answer, behind which zeros follow to the end of its last part:

    status 1 | key of the network 32, zeros if it is open | length of the network's name 1 | length of the node's name 1
    | length of what follows the names 2 | both names | where there are members: root key 1,984, certificates
"""

import struct
from enum import IntEnum
from typing import Final

from msgspec import Struct

from mycelium.errors import DecodeError
from mycelium.wire.membership import CREDENTIALS_BYTES

JOIN_REQUEST: Final = 0x1A
JOIN_REPLY: Final = 0x1B
JOIN_BYTES: Final = 548  # what every host takes in one IPv4 datagram (RFC 791)
HINT_BYTES: Final = 8
JOIN_MAC_BYTES: Final = 16
ANSWER_PART_BYTES: Final = 496
NETWORK_KEY_BYTES: Final = 32
JOIN_NAME_BYTES: Final = 64  # of each name

JOIN_REQUEST_HEAD: Final = struct.Struct("!BBBx8s")
JOIN_REPLY_HEAD: Final = struct.Struct("!BBBx")
_ANSWER: Final = struct.Struct("!B32sBBH")
_MOST_BYTES: Final = (JOIN_NAME_BYTES, JOIN_NAME_BYTES, CREDENTIALS_BYTES)  # of what follows it


class JoinStatus(IntEnum):
    """What becomes of a join request."""

    GRANTED = 0
    USED = 1  # the invitation was used as often as it may be
    EXPIRED = 2
    FAILED = 3  # the member can't note that it is used
    MAY_NOT = 4  # the member may not invite any more


class JoinAnswer(Struct, frozen=True):
    """What a member answers; all but the status is empty unless it is GRANTED."""

    status: int
    network_key: bytes = bytes(NETWORK_KEY_BYTES)
    network_name: str = ""
    name: str = ""  # of the new node; empty where it may choose
    membership: bytes = b""  # root key and certificates, where the network has members


def encode_answer(answer: JoinAnswer) -> list[bytes]:
    """Returns the parts of an answer."""
    network, name = answer.network_name.encode(), answer.name.encode()
    head = _ANSWER.pack(answer.status, answer.network_key, len(network), len(name), len(answer.membership))
    data = head + network + name + answer.membership
    starts = range(0, len(data), ANSWER_PART_BYTES)
    return [data[start : start + ANSWER_PART_BYTES].ljust(ANSWER_PART_BYTES, b"\0") for start in starts]


def answer_parts(data: bytes) -> int:
    """Returns how many parts the answer has that begins with `data`; raises DecodeError."""
    if len(data) < _ANSWER.size:
        raise DecodeError("the answer to a join request is short")
    lengths: tuple[int, ...] = _ANSWER.unpack_from(data)[2:]
    if any(length > most for length, most in zip(lengths, _MOST_BYTES, strict=True)):
        raise DecodeError("the answer to a join request is too long")
    return -(-(_ANSWER.size + sum(lengths)) // ANSWER_PART_BYTES)


def decode_answer(data: bytes) -> JoinAnswer:
    """Decodes a whole answer; raises DecodeError."""
    if len(data) < answer_parts(data) * ANSWER_PART_BYTES:
        raise DecodeError("the answer to a join request is short")
    status, key, network_bytes, name_bytes, membership_bytes = _ANSWER.unpack_from(data)
    middle, names_end = _ANSWER.size + network_bytes, _ANSWER.size + network_bytes + name_bytes
    end = names_end + membership_bytes
    try:
        network, name = data[_ANSWER.size : middle].decode(), data[middle:names_end].decode()
    except UnicodeDecodeError as error:
        raise DecodeError("a name in the answer to a join request is not UTF-8") from error
    return JoinAnswer(status, key, network, name, data[names_end:end])
