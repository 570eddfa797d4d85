"""Trains and the items in them."""

from hypothesis import given
from hypothesis import strategies as st

from mycelium.packet.batch import PACKET_CEILING, PARTIAL_CHECKSUM, SUPER_CWR, SUPER_MASK, SUPER_TCP, SUPER_UDP
from mycelium.wire.datagram import SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305, TAG_BYTES
from mycelium.wire.train import (
    AAD_START,
    DATA,
    ERROR,
    ERROR_BODY_BYTES,
    ERROR_QUOTE,
    ERROR_SIGNED_BYTES,
    ITEM_HEADER,
    ITEM_HEADER_BYTES,
    ITEM_REPORT,
    LENGTH_MASK,
    QUOTED_TAG_BYTES,
    REPORT,
    SESSION_REPLY,
    SESSION_REPLY_BYTES,
    SESSION_REQUEST,
    SESSION_REQUEST_BYTES,
    TRAIN_HEADER,
    TRAIN_HEADER_BYTES,
    VERSION,
)

BYTES = st.integers(0, 0xFF)
WORDS = st.integers(0, 0xFFFF_FFFF)
LENGTHS = st.integers(0, LENGTH_MASK)
COUNTERS = st.integers(0, 0xFFFF_FFFF_FFFF_FFFF)
NODES = st.binary(min_size=16, max_size=16)


def test_types_carry_the_version() -> None:
    assert [kind >> 4 for kind in (DATA, SESSION_REQUEST, SESSION_REPLY, ERROR)] == [VERSION] * 4
    assert [kind & 0xF for kind in (DATA, SESSION_REQUEST, SESSION_REPLY, ERROR)] == [0, 1, 2, 3]


@given(st.tuples(BYTES, BYTES, BYTES, BYTES), BYTES, LENGTHS, WORDS, COUNTERS, NODES, NODES)
def test_a_train_header_survives_the_wire(
    head: tuple[int, int, int, int], bucket: int, length: int, index: int, counter: int, node: bytes, source: bytes
) -> None:
    data = TRAIN_HEADER.pack(*head, bucket << 24 | length, index, counter, node, source)
    expected = bytes((*head, bucket)) + length.to_bytes(3, "big") + index.to_bytes(4, "big")
    assert data == expected + counter.to_bytes(8, "big") + node + source
    *fields, word, again, last, first_node, second_node = TRAIN_HEADER.unpack(data)
    assert (tuple(fields), word >> 24, word & LENGTH_MASK) == (head, bucket, length)
    assert (again, last, first_node, second_node) == (index, counter, node, source)


def test_relays_change_only_what_is_before_the_associated_data() -> None:
    one = TRAIN_HEADER.pack(64, 0, DATA, 0, 0, 1, 1, bytes(16), bytes(16))
    other = TRAIN_HEADER.pack(63, 1, DATA, 0, 0, 1, 1, bytes(16), bytes(16))
    assert one[AAD_START:] == other[AAD_START:]
    assert TRAIN_HEADER_BYTES - AAD_START == 50


@given(LENGTHS, BYTES, st.integers(0, 0xFFFF))
def test_an_item_header_survives_the_wire(length: int, kind: int, segment_size: int) -> None:
    data = ITEM_HEADER.pack(length << 8 | kind, segment_size)
    assert data == length.to_bytes(3, "big") + bytes((kind,)) + segment_size.to_bytes(2, "big") + bytes(2)
    assert ITEM_HEADER.unpack(data) == (length << 8 | kind, segment_size)


def test_item_types_and_flags_do_not_overlap() -> None:
    flags = [SUPER_TCP, SUPER_UDP, PARTIAL_CHECKSUM, SUPER_CWR]
    assert sum(flags) == 0x0F
    assert SUPER_TCP | SUPER_UDP == SUPER_MASK
    assert ITEM_REPORT & 0x0F == 0


def test_lengths_hold_what_one_read_can_bring() -> None:
    assert PACKET_CEILING + ITEM_HEADER_BYTES + TAG_BYTES < LENGTH_MASK


@given(COUNTERS, COUNTERS)
def test_a_report_survives_the_wire(newest: int, opened: int) -> None:
    data = REPORT.pack(newest, opened)
    assert data == newest.to_bytes(8, "big") + opened.to_bytes(8, "big")
    assert REPORT.unpack(data) == (newest, opened)


@given(BYTES, WORDS, COUNTERS, NODES, st.binary(min_size=QUOTED_TAG_BYTES, max_size=QUOTED_TAG_BYTES))
def test_the_quote_of_an_error_survives_the_wire(code: int, index: int, counter: int, node: bytes, tag: bytes) -> None:
    data = ERROR_QUOTE.pack(code, index, counter, node, tag)
    assert data == bytes((code, 0, 0, 0)) + index.to_bytes(4, "big") + counter.to_bytes(8, "big") + node + tag
    assert ERROR_QUOTE.unpack(data) == (code, index, counter, node, tag)


def test_bodies_are_their_parts() -> None:
    assert SESSION_REQUEST_BYTES == 32 + (1184 + TAG_BYTES) + (32 + TAG_BYTES) + TAG_BYTES
    assert SESSION_REPLY_BYTES == 32 + (1088 + TAG_BYTES) + TAG_BYTES
    assert ERROR_QUOTE.size + 32 == ERROR_SIGNED_BYTES
    assert ERROR_BODY_BYTES == ERROR_SIGNED_BYTES + 64


def test_suites_fit_above_an_index_in_a_counter() -> None:
    counter = (SUITE_AES_256_GCM | SUITE_CHACHA20_POLY1305) << 32 | 0xFFFF_FFFF
    data = TRAIN_HEADER.pack(1, 0, SESSION_REQUEST, 0, 0, 0, counter, bytes(16), bytes(16))
    assert data[12:20] == bytes((0, 0, 0, 3)) + b"\xff" * 4
