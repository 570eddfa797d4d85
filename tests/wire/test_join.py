"""What is answered to a join request, on the wire."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.wire.join import (
    ANSWER_BYTES,
    JOIN_NAME_BYTES,
    JoinAnswer,
    JoinStatus,
    decode_answer,
    encode_answer,
)
from mycelium.wire.membership import CERTIFICATE_BYTES, CHAIN_LENGTH

NAMES = st.text(st.characters(codec="ascii"), max_size=JOIN_NAME_BYTES)
ANSWERS = st.builds(
    JoinAnswer,
    st.integers(0, 255),
    network_key=st.binary(min_size=32, max_size=32),
    network_name=NAMES,
    name=NAMES,
    membership=st.binary(max_size=32 + CHAIN_LENGTH * CERTIFICATE_BYTES),
)


@given(ANSWERS)
def test_answers_survive_the_wire_with_the_zeros_behind_them(answer: JoinAnswer) -> None:
    encoded = encode_answer(answer)
    assert len(encoded) <= ANSWER_BYTES
    assert decode_answer(encoded.ljust(ANSWER_BYTES, b"\0")) == answer


@given(st.binary(max_size=ANSWER_BYTES))
def test_any_bytes_decode_or_raise_one_error(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        decode_answer(data)


@pytest.mark.parametrize(
    "broken",
    [b"", bytes(36), bytes(33) + b"\x05\0\0\0abcd", bytes(33) + b"\x41\0\0\0" + b"x" * 65, bytes(35) + b"\0\1"],
)
def test_a_short_answer_and_a_long_name_are_refused(broken: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_answer(broken)


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(DecodeError, match="not UTF-8"):
        decode_answer(bytes(33) + b"\x01\0\0\0\xff")


def test_a_refusal_tells_no_secret() -> None:
    assert encode_answer(JoinAnswer(JoinStatus.USED)) == bytes((JoinStatus.USED,)) + bytes(36)
