"""Knocks: the nonce comes back as it went, and any other bytes are no knock."""

from hypothesis import given
from hypothesis import strategies as st

from mycelium.wire.knock import KNOCK, KNOCK_DATAGRAM, KNOCK_NONCE_BYTES, decode_knock, encode_knock

NONCES = st.binary(min_size=KNOCK_NONCE_BYTES, max_size=KNOCK_NONCE_BYTES)


@given(NONCES)
def test_a_nonce_comes_back_as_it_went(nonce: bytes) -> None:
    assert decode_knock(encode_knock(nonce)) == nonce
    assert decode_knock(encode_knock(nonce) + b"more") is None
    assert decode_knock(encode_knock(nonce)[:-1]) is None


@given(st.binary(max_size=40))
def test_any_other_bytes_are_no_knock(data: bytes) -> None:
    if len(data) != KNOCK_DATAGRAM.size or data[0] != KNOCK:
        assert decode_knock(data) is None
