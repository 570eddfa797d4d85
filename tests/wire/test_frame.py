"""What is inside a sealed frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.limits import DATAGRAM_FLOOR
from mycelium.link.control_channel import CONTROL_SEGMENT_BYTES
from mycelium.wire.datagram import FRAME_HEAD, TAG_BYTES
from mycelium.wire.frame import (
    CLOSE,
    CONTROL,
    CONTROL_HEADER,
    DATA,
    FRAME_HEADER,
    PROBE,
    PROBE_BODY,
    PROBE_IS_REPLY,
    PROBE_TAKES_UNSEALED,
    PROBE_WANTS_REPLY,
    PROOF,
    RATE,
    RATE_BODY,
    REPAIR,
    UNSEALED,
    read_rate,
    write_rate,
)
from mycelium.wire.train import ERROR_BODY_BYTES, SESSION_REQUEST_BYTES, TRAIN_HEADER_BYTES

BYTES = st.integers(0, 0xFF)
WORDS = st.integers(0, 0xFFFF_FFFF)
LONGS = st.integers(0, 0xFFFF_FFFF_FFFF_FFFF)


def test_kinds_and_flags_differ() -> None:
    assert [CONTROL, PROBE, DATA, CLOSE, REPAIR, RATE, PROOF, UNSEALED] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert (PROBE_WANTS_REPLY, PROBE_IS_REPLY, PROBE_TAKES_UNSEALED) == (1, 2, 4)


@given(BYTES, BYTES, WORDS)
def test_a_frame_header_survives_the_wire(kind: int, path: int, echo: int) -> None:
    data = FRAME_HEADER.pack(kind, path, 0, echo)
    assert data == bytes((kind, path, 0, 0)) + echo.to_bytes(4, "big")
    assert FRAME_HEADER.unpack(data) == (kind, path, 0, echo)


@given(st.tuples(WORDS, WORDS, WORDS, WORDS), LONGS)
def test_a_control_header_survives_the_wire(words: tuple[int, int, int, int], beyond: int) -> None:
    data = CONTROL_HEADER.pack(*words, beyond)
    assert data == b"".join(word.to_bytes(4, "big") for word in words) + beyond.to_bytes(8, "big")
    assert CONTROL_HEADER.unpack(data) == (*words, beyond)


@given(BYTES, st.binary(min_size=3, max_size=3), st.tuples(WORDS, WORDS, WORDS))
def test_a_probe_survives_the_wire(flags: int, waited: bytes, words: tuple[int, int, int]) -> None:
    data = PROBE_BODY.pack(flags, waited, *words)
    assert data == bytes((flags, *waited)) + b"".join(word.to_bytes(4, "big") for word in words)
    assert PROBE_BODY.unpack(data) == (flags, waited, *words)


def test_a_full_control_segment_is_one_datagram_on_every_path() -> None:
    around = FRAME_HEAD.size + FRAME_HEADER.size + CONTROL_HEADER.size + TAG_BYTES
    assert around + CONTROL_SEGMENT_BYTES == DATAGRAM_FLOOR


def test_an_error_train_is_one_datagram_on_every_path_and_a_session_request_two() -> None:
    around = FRAME_HEAD.size + FRAME_HEADER.size + TRAIN_HEADER_BYTES + TAG_BYTES
    assert around + ERROR_BODY_BYTES <= DATAGRAM_FLOOR
    assert DATAGRAM_FLOOR < around + SESSION_REQUEST_BYTES <= 2 * (DATAGRAM_FLOOR - 20)


@given(st.floats(0, 1e15))
def test_a_rate_survives_the_wire_in_kbit(rate: float) -> None:
    plain = memoryview(bytearray(FRAME_HEADER.size + RATE_BODY.size))
    write_rate(plain, rate)
    read = read_rate(plain[FRAME_HEADER.size :])
    assert read == pytest.approx(min(max(rate, 125), 0xFFFF_FFFF * 125), abs=63)


@pytest.mark.parametrize("body", [b"", b"\1\1\1", bytes(4), bytes(5)])
def test_what_is_no_rate_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        read_rate(memoryview(body))
