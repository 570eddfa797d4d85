"""Netlink messages and attributes: what is put together comes apart again, and no bytes are too strange to read."""

import errno
import sys

from hypothesis import given
from hypothesis import strategies as st

from mycelium.packet.netlink import (
    attribute,
    attributes,
    error_of,
    message,
    messages,
    number,
    number_attribute,
)

BODIES = st.binary(max_size=64).map(lambda body: body + bytes(-len(body) % 4))


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), BODIES)))
def test_messages_come_apart_as_they_were(parts: list[tuple[int, int, bytes]]) -> None:
    assert list(messages(b"".join(message(*part) for part in parts))) == parts


@given(st.lists(st.tuples(st.integers(0, 0x3FFF), st.binary(max_size=64))))
def test_attributes_come_apart_as_they_were(parts: list[tuple[int, bytes]]) -> None:
    assert list(attributes(b"".join(attribute(*part) for part in parts))) == parts


def test_the_flags_of_a_nested_attribute_are_no_part_of_its_type() -> None:
    assert list(attributes(attribute(0x8000 | 18, b"nest"))) == [(18, b"nest")]


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(data: bytes) -> None:
    assert sum(len(body) for _, _, body in messages(data)) <= len(data)
    assert sum(len(value) for _, value in attributes(data)) <= len(data)


def test_reading_ends_at_a_length_that_is_less_than_its_own_head() -> None:
    assert list(messages(message(16, 0, b"body") + bytes(32))) == [(16, 0, b"body")]
    assert list(attributes(attribute(4, b"body") + bytes(8))) == [(4, b"body")]


def test_a_number_that_is_not_there_is_zero() -> None:
    assert number((1_400).to_bytes(4, sys.byteorder)) == 1_400
    assert number(b"") == 0


def test_a_number_is_told_in_32_bits_and_a_refusal_by_its_errno() -> None:
    [(kind, value)] = attributes(number_attribute(4, 1_400))
    assert (kind, number(value)) == (4, 1_400)
    assert error_of((-errno.EPERM).to_bytes(4, sys.byteorder, signed=True)) == errno.EPERM
    assert error_of(bytes(4)) == 0
