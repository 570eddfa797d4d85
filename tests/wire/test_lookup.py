"""Lookups and their answers on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.wire.lookup import (
    LOOKUP_BYTES,
    RECORDS_PER_ANSWER,
    decode_answer,
    decode_lookup,
    decode_records,
    encode_answer,
    encode_lookup,
    encode_records,
)
from tests.wire.test_home_record import RECORD, RECORDS


def test_a_lookup_survives_the_wire() -> None:
    body = encode_lookup(b"12345678", b"abcdefgh")
    assert len(body) == LOOKUP_BYTES
    assert decode_lookup(body) == (b"12345678", b"abcdefgh")
    with pytest.raises(DecodeError):
        decode_lookup(body[:-1])


@given(st.lists(RECORDS, max_size=5).map(tuple))
def test_an_answer_survives_the_wire_and_is_no_longer_than_its_question(records: tuple[object, ...]) -> None:
    body = encode_answer(b"abcdefgh", records)  # type: ignore[arg-type]
    assert len(body) <= LOOKUP_BYTES
    assert decode_answer(body) == (b"abcdefgh", list(records[:RECORDS_PER_ANSWER]))


@given(st.binary(max_size=600))
def test_any_bytes_decode_or_raise_one_error(data: bytes) -> None:
    for decode in (decode_lookup, decode_answer, decode_records):
        try:
            decode(data)
        except DecodeError:
            continue


def test_an_answer_longer_than_a_question_is_refused() -> None:
    with pytest.raises(DecodeError):
        decode_answer(b"abcdefgh" + encode_records([RECORD] * 4))
