"""Messages of speed tests: every value comes back as it went, and any bytes decode or raise DecodeError."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.wire.speed import (
    ACKNOWLEDGEMENT,
    LOAD_HEAD_BYTES,
    SPEED_HEAD,
    TOKEN_BYTES,
    Arrivals,
    SpeedHead,
    SpeedKind,
    decode_speed,
    encode_load,
    encode_speed,
    load_number,
    read_arrivals,
)

VERSION_6 = 6
WORD = st.integers(0, 0xFFFF_FFFF)
TOKEN = st.binary(min_size=TOKEN_BYTES, max_size=TOKEN_BYTES)


@given(st.sampled_from(SpeedKind), st.integers(0, 255), st.integers(0, 3_000), TOKEN)
def test_a_head_comes_back_as_it_went(kind: SpeedKind, code: int, ticks: int, token: bytes) -> None:
    head = SpeedHead(kind, token, code, ticks * 0.01)
    assert decode_speed(encode_speed(head)) == head
    assert decode_speed(encode_speed(head) + b"more") == head


@given(WORD, WORD, st.integers(0, (1 << 64) - 1), WORD)
def test_an_acknowledgement_comes_back_as_it_went(newest: int, trains: int, count: int, elapsed_us: int) -> None:
    arrivals = Arrivals(newest, trains, count, elapsed_us * 1e-6)
    data = encode_speed(SpeedHead(SpeedKind.ACKNOWLEDGEMENT, bytes(TOKEN_BYTES)), arrivals)
    assert read_arrivals(data) == arrivals


@given(WORD, st.integers(LOAD_HEAD_BYTES, 2_000), st.booleans())
def test_load_has_its_number_and_length(number: int, length: int, wants: bool) -> None:
    data = encode_load(b"abcdefgh", number, length, wants_acknowledgement=wants)
    assert len(data) == length
    assert load_number(data) == number
    assert decode_speed(data) == SpeedHead(SpeedKind.LOAD, b"abcdefgh", int(wants))


@given(st.binary(max_size=60))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    if len(data) < SPEED_HEAD.size:
        with pytest.raises(DecodeError):
            decode_speed(data)
    else:
        assert (decode_speed(data) is None) == (data[0] not in list(SpeedKind))
    for reader, least in ((load_number, LOAD_HEAD_BYTES), (read_arrivals, SPEED_HEAD.size + ACKNOWLEDGEMENT.size)):
        if len(data) < least:
            with pytest.raises(DecodeError):
                reader(data)
        else:
            reader(data)


def test_times_beyond_what_the_wire_holds_are_its_most_and_no_message_begins_like_an_ipv6_packet() -> None:
    assert decode_speed(encode_speed(SpeedHead(SpeedKind.REQUEST, bytes(8), seconds=1e6))) == SpeedHead(
        SpeedKind.REQUEST, bytes(8), seconds=655.35
    )
    late = encode_speed(SpeedHead(SpeedKind.ACKNOWLEDGEMENT, bytes(8)), Arrivals(0, 1, 1, 1e6))
    assert read_arrivals(late).elapsed_s == pytest.approx(4_294.967295)
    assert VERSION_6 not in [kind >> 4 for kind in SpeedKind]
