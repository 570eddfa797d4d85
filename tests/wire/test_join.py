"""What is answered to a join request, on the wire."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.wire.join import (
    ANSWER_PART_BYTES,
    JOIN_NAME_BYTES,
    JoinAnswer,
    JoinStatus,
    answer_parts,
    decode_answer,
    encode_answer,
)
from mycelium.wire.membership import CREDENTIALS_BYTES

NAMES = st.text(st.characters(codec="ascii"), max_size=JOIN_NAME_BYTES)
ANSWERS = st.builds(
    JoinAnswer,
    st.integers(0, 255),
    network_key=st.binary(min_size=32, max_size=32),
    network_name=NAMES,
    name=NAMES,
    membership=st.integers(0, CREDENTIALS_BYTES).map(bytes),
)


@given(ANSWERS)
def test_answers_survive_the_wire_with_the_zeros_behind_them(answer: JoinAnswer) -> None:
    parts = encode_answer(answer)
    assert {len(part) for part in parts} == {ANSWER_PART_BYTES}
    assert len(parts) == answer_parts(parts[0]) < 256
    assert decode_answer(b"".join(parts)) == answer
    if len(parts) > 1:
        with pytest.raises(DecodeError, match="short"):
            decode_answer(b"".join(parts[:-1]))


@given(st.binary(max_size=2 * ANSWER_PART_BYTES))
def test_any_bytes_decode_or_raise_one_error(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        decode_answer(data)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        bytes(36),
        (bytes(33) + b"\x41\0\0\0").ljust(ANSWER_PART_BYTES),
        (bytes(34) + b"\x41\0\0").ljust(ANSWER_PART_BYTES),
        (bytes(35) + (CREDENTIALS_BYTES + 1).to_bytes(2, "big")).ljust(50 * ANSWER_PART_BYTES),
        (bytes(35) + b"\x10\0").ljust(ANSWER_PART_BYTES),
    ],
)
def test_a_short_answer_a_long_name_and_too_much_are_refused(broken: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_answer(broken)


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(DecodeError, match="not UTF-8"):
        decode_answer((bytes(33) + b"\x01\0\0\0\xff").ljust(ANSWER_PART_BYTES))


def test_a_refusal_tells_no_secret() -> None:
    assert encode_answer(JoinAnswer(JoinStatus.USED)) == [bytes((JoinStatus.USED,)).ljust(ANSWER_PART_BYTES, b"\0")]
