"""Datagrams in a byte stream: each follows its length, as with DNS over TCP (RFC 7766, section 8).

The length has two bytes, the most significant one first, and counts the datagram alone. None is empty.
"""

import struct
from collections.abc import Sequence
from typing import Final

from mycelium.errors import DecodeError
from mycelium.transport.base import Buffer

_LENGTH: Final = struct.Struct(">H")
PREFIX_BYTES: Final = _LENGTH.size


def framed(buffers: Sequence[Buffer], segment_size: int) -> list[Buffer]:
    """Returns the part of the stream that carries the buffers as datagrams of `segment_size`, the last perhaps shorter.

    `segment_size` is at least 1 and at most `limits.STREAM_DATAGRAM`.
    """
    total = sum(map(len, buffers))
    if total <= segment_size:
        return [_LENGTH.pack(total), *buffers] if total else []
    data = memoryview(b"".join(buffers))
    pieces: list[Buffer] = []
    for start in range(0, total, segment_size):
        piece = data[start : start + segment_size]
        pieces += (_LENGTH.pack(len(piece)), piece)
    return pieces


def split(data: memoryview) -> tuple[list[memoryview], int]:
    """Returns the complete datagrams at the start of `data`, and the number of bytes that they and their lengths take.

    Raises DecodeError for an empty datagram.
    """
    datagrams: list[memoryview] = []
    start, end = 0, len(data)
    while end - start >= PREFIX_BYTES:
        (length,) = _LENGTH.unpack_from(data, start)
        if not length:
            raise DecodeError("a datagram in a stream is empty")
        following = start + PREFIX_BYTES + length
        if following > end:
            break
        datagrams.append(data[start + PREFIX_BYTES : following])
        start = following
    return datagrams, start
