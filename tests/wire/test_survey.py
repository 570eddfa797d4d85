"""Messages of surveys: every value comes back as it went, and any bytes decode or raise DecodeError."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.identity import ADDRESS_BYTES
from mycelium.wire.survey import (
    LOSS_UNITS,
    SURVEY_HEAD,
    TOKEN_BYTES,
    TOLD_LINK,
    VERSION_BYTES,
    LinksAsked,
    LinksTold,
    ToldLink,
    decode_survey,
    encode_answer,
    encode_question,
)

NUMBERS = st.none() | st.integers(0, 0xFFFF_FFFE)
TOKENS = st.binary(min_size=TOKEN_BYTES, max_size=TOKEN_BYTES)
VERSIONS = st.binary(min_size=VERSION_BYTES, max_size=VERSION_BYTES)
ADDRESSES = st.binary(min_size=ADDRESS_BYTES, max_size=ADDRESS_BYTES)
LINKS = st.builds(ToldLink, ADDRESSES, NUMBERS, NUMBERS, st.none() | st.integers(0, LOSS_UNITS), st.booleans())
QUESTIONS = st.builds(LinksAsked, TOKENS, st.integers(0, 0xFFFF_FFFF), VERSIONS, st.integers(0, 0xFFFF))
ANSWERS = st.builds(
    LinksTold,
    TOKENS,
    VERSIONS,
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF_FFFF),
    st.lists(LINKS, max_size=4).map(tuple),
    st.booleans(),
)


@given(QUESTIONS)
def test_a_question_comes_back_as_it_went(question: LinksAsked) -> None:
    assert decode_survey(encode_question(question)) == question
    assert decode_survey(encode_question(question) + b"more") == question


@given(ANSWERS)
def test_an_answer_comes_back_as_it_went(answer: LinksTold) -> None:
    assert decode_survey(encode_answer(answer)) == answer
    with pytest.raises(DecodeError):
        decode_survey(encode_answer(answer) + b"more")


@given(st.binary(max_size=SURVEY_HEAD.size + 2 * TOLD_LINK.size))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    with suppress(DecodeError):
        assert (decode_survey(data) is None) == (data[0] not in (1, 2))


def test_what_is_too_much_for_its_field_is_told_as_the_most_that_there_is() -> None:
    sent = LinksTold(bytes(TOKEN_BYTES), links=(ToldLink(bytes(16), 1 << 40, 1 << 40, 1 << 20, False),))
    told = decode_survey(encode_answer(sent))
    assert isinstance(told, LinksTold)
    assert told.links == (ToldLink(bytes(16), 0xFFFF_FFFE, 0xFFFF_FFFE, LOSS_UNITS, False),)
