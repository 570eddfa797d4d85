"""Echoes: every value comes back as it went, and any bytes decode or raise DecodeError."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.wire.echo import ECHO, TOKEN_BYTES, Echo, EchoKind, decode_echo, encode_echo

VERSION_6 = 6


@given(st.sampled_from(EchoKind), st.integers(0, 255), st.binary(min_size=TOKEN_BYTES, max_size=TOKEN_BYTES))
def test_an_echo_comes_back_as_it_went(kind: EchoKind, hops: int, token: bytes) -> None:
    echo = Echo(kind, hops, token)
    assert decode_echo(encode_echo(echo)) == echo
    assert decode_echo(encode_echo(echo) + b"more") == echo


@given(st.binary(max_size=40))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    if len(data) < ECHO.size:
        with pytest.raises(DecodeError):
            decode_echo(data)
    else:
        echo = decode_echo(data)
        assert (echo is None) == (data[0] not in list(EchoKind))


def test_no_echo_begins_like_an_ipv6_packet_and_a_reply_is_as_long_as_its_request() -> None:
    assert VERSION_6 not in [kind >> 4 for kind in EchoKind]
    lengths = {len(encode_echo(Echo(kind, 9, bytes(TOKEN_BYTES)))) for kind in EchoKind}
    assert lengths == {ECHO.size}
