"""The first bytes of everything on the underlay."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.limits import DATAGRAM_FLOOR, FRAME_PLAINTEXT
from mycelium.wire import datagram
from mycelium.wire.beacon import INSTANCE_BYTES
from mycelium.wire.datagram import (
    CHUNK,
    CHUNK_HEAD,
    CHUNK_OFFSET_MASK,
    CHUNK_WORD,
    COOKIE,
    COOKIE_DATAGRAM,
    FRAME,
    FRAME_HEAD,
    FRAME_WORD,
    HANDSHAKE_1,
    HANDSHAKE_1_BYTES,
    HANDSHAKE_1_HEAD,
    HANDSHAKE_2,
    HANDSHAKE_2_BYTES,
    HANDSHAKE_2_HEAD,
    HANDSHAKE_3,
    HANDSHAKE_3_BYTES,
    HANDSHAKE_3_HEAD,
    SIZE_PROBE,
    TAG_BYTES,
)

TYPES = [HANDSHAKE_1, HANDSHAKE_2, HANDSHAKE_3, COOKIE, FRAME, CHUNK, SIZE_PROBE]
INDEX = slice(4, 8)
WORDS = st.integers(0, 0xFFFF_FFFF)
COUNTERS = st.integers(0, 0xFFFF_FFFF_FFFF_FFFF)


def test_types_share_a_port_with_quic() -> None:
    assert sorted(set(TYPES)) == TYPES
    assert all(0x10 <= kind <= 0x1F for kind in TYPES)


@pytest.mark.parametrize(
    ("layout", "size"),
    [
        (HANDSHAKE_1_HEAD, 8),
        (HANDSHAKE_2_HEAD, 12),
        (HANDSHAKE_3_HEAD, 8),
        (COOKIE_DATAGRAM, 52),
        (FRAME_HEAD, 16),
        (CHUNK_HEAD, 24),
    ],
)
def test_heads_have_their_sizes(layout: struct.Struct, size: int) -> None:
    assert layout.size == size


def test_handshakes_are_their_parts_and_fit_the_smallest_datagram() -> None:
    assert HANDSHAKE_1_BYTES == HANDSHAKE_1_HEAD.size + 32 + 1184 + 8 == DATAGRAM_FLOOR
    static_and_instance = 32 + TAG_BYTES + INSTANCE_BYTES + TAG_BYTES
    assert HANDSHAKE_2_HEAD.size + 32 + (1088 + TAG_BYTES) + static_and_instance == HANDSHAKE_2_BYTES
    assert HANDSHAKE_3_HEAD.size + static_and_instance == HANDSHAKE_3_BYTES
    assert COOKIE_DATAGRAM.size == datagram.COOKIE_BYTES


@given(WORDS, WORDS)
def test_whoever_has_an_index_finds_it_behind_the_first_word(index: int, other: int) -> None:
    heads = [
        HANDSHAKE_3_HEAD.pack(HANDSHAKE_3, index),
        COOKIE_DATAGRAM.pack(COOKIE, index, b"", b"", b""),
        FRAME_HEAD.pack(FRAME_WORD, index, other),
        CHUNK_HEAD.pack(CHUNK_WORD, index, other, other, 1_440, 7),
    ]
    assert [head[0] for head in heads] == [HANDSHAKE_3, COOKIE, FRAME, CHUNK]
    assert [int.from_bytes(head[INDEX], "big") for head in heads] == [index] * 4
    reply = HANDSHAKE_2_HEAD.pack(HANDSHAKE_2, 1, 1, 0, other, index)
    assert int.from_bytes(reply[8:12], "big") == index


@given(WORDS, COUNTERS)
def test_a_frame_head_survives_the_wire(index: int, counter: int) -> None:
    head = FRAME_HEAD.pack(FRAME_WORD, index, counter)
    assert head == bytes((FRAME, 0, 0, 0)) + index.to_bytes(4, "big") + counter.to_bytes(8, "big")
    assert FRAME_HEAD.unpack(head) == (FRAME_WORD, index, counter)


@given(
    st.integers(0, CHUNK_OFFSET_MASK),
    WORDS,
    COUNTERS,
    WORDS,
    st.integers(0, (1 << 16) - 1),
    st.integers(0, (1 << 8) - 1),
)
def test_a_chunk_head_survives_the_wire(offset: int, index: int, counter: int, total: int, room: int, pad: int) -> None:
    head = CHUNK_HEAD.pack(CHUNK_WORD | offset, index, counter, total, room, pad)
    word, *rest = CHUNK_HEAD.unpack(head)
    assert (word >> 24, word & CHUNK_OFFSET_MASK, *rest) == (CHUNK, offset, index, counter, total, room, pad)
    assert head[1:4] == offset.to_bytes(3, "big")
    assert head[INDEX.start : 16] == FRAME_HEAD.pack(FRAME_WORD, index, counter)[INDEX.start :]


def test_every_byte_of_the_longest_frame_has_an_offset() -> None:
    assert FRAME_PLAINTEXT + TAG_BYTES <= CHUNK_OFFSET_MASK


@given(
    st.binary(min_size=4, max_size=4),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=8, max_size=8),
    WORDS,
)
def test_a_cookie_survives_the_wire(answered: bytes, cookie: bytes, mac: bytes, index: int) -> None:
    data = COOKIE_DATAGRAM.pack(COOKIE, index, answered, cookie, mac)
    assert data == bytes((COOKIE, 0, 0, 0)) + index.to_bytes(4, "big") + answered + cookie + mac
    assert COOKIE_DATAGRAM.unpack(data) == (COOKIE, index, answered, cookie, mac)
