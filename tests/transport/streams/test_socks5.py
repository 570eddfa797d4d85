"""A SOCKS5 proxy in memory: what is asked of it, and each of its answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError, OpeningRefused
from mycelium.transport.streams.socks5 import Socks5

GREETING = b"\x05\x01\x00"
CONNECTED = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x04\xd2"


def asked(host: str) -> bytes:
    """Returns the request for a host at port 443."""
    layer = Socks5(host, 443)
    assert layer.take_answers() == GREETING
    assert layer.receive(b"\x05\x00") == b""
    return layer.take_answers()


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("mesh.example", b"\x03\x0cmesh.example"),
        ("192.0.2.1", b"\x01\xc0\x00\x02\x01"),
        ("2001:db8::1", b"\x04\x20\x01\x0d\xb8" + bytes(11) + b"\x01"),
    ],
)
def test_the_host_is_asked_for_as_it_is_known(host: str, address: bytes) -> None:
    assert asked(host) == b"\x05\x01\x00" + address + b"\x01\xbb"


def test_user_and_password_are_given_only_to_a_proxy_that_wants_them() -> None:
    layer = Socks5("h", 1, ("me", "secret"))
    assert layer.take_answers() == b"\x05\x02\x00\x02"
    layer.receive(b"\x05\x02")
    assert layer.take_answers() == b"\x01\x02me\x06secret"
    layer.receive(b"\x01\x00")
    assert layer.take_answers() == b"\x05\x01\x00\x03\x01h\x00\x01"
    open_one = Socks5("h", 1, ("me", "secret"))
    open_one.take_answers()
    open_one.receive(b"\x05\x00")
    assert open_one.take_answers() == b"\x05\x01\x00\x03\x01h\x00\x01"


@given(
    st.binary(max_size=50),
    st.integers(1, 30),
    st.sampled_from([CONNECTED, b"\x05\0\0\x03\x02ab\0\0", b"\x05\0\0\x04" + bytes(18)]),
)
def test_what_follows_the_reply_is_the_peers_however_it_is_cut(following: bytes, piece: int, reply: bytes) -> None:
    layer = Socks5("h", 1)
    stream = b"\x05\x00" + reply + following
    pieces = [stream[start : start + piece] for start in range(0, len(stream), piece)]
    assert b"".join(bytes(layer.receive(part)) for part in pieces) == following
    assert layer.is_open
    assert layer.receive(b"more") == layer.send(b"more") == b"more"


@pytest.mark.parametrize(
    ("stream", "login", "words"),
    [
        (b"\x05\xff", None, "the proxy wants a user and a password"),
        (b"\x05\x02", None, "the proxy wants a user and a password"),
        (b"\x05\xff", ("a", "b"), "the proxy wants another way to log in"),
        (b"\x05\x02\x01\x01", ("a", "b"), "the proxy refuses this user and password"),
        (b"\x05\x00\x05\x01\x00\x01", None, "the proxy refuses: general failure"),
        (b"\x05\x00\x05\x02\x00\x01", None, "the proxy refuses: its rules do not allow this connection"),
        (b"\x05\x00\x05\x03", None, "the proxy refuses: the network is unreachable"),
        (b"\x05\x00\x05\x04\x00\x01\x00", None, "the proxy refuses: the host is unreachable"),
        (b"\x05\x00\x05\x05", None, "the proxy refuses: the connection was refused"),
        (b"\x05\x00\x05\x06", None, "the proxy refuses: the connection timed out"),
        (b"\x05\x00\x05\x07", None, "the proxy refuses: it does not support CONNECT"),
        (b"\x05\x00\x05\x08", None, "the proxy refuses: it does not support this kind of address"),
        (b"\x05\x00\x05\x63\x00\x01\x00", None, "the proxy refuses: reply 99"),
        (b"HTTP/1.1 400 Bad Request", None, "the proxy does not speak SOCKS5"),
    ],
)
def test_a_refusal_is_told_in_words(stream: bytes, login: tuple[str, str] | None, words: str) -> None:
    with pytest.raises(OpeningRefused, match=words):
        Socks5("h", 1, login).receive(stream)


@pytest.mark.parametrize("reply", [b"\x04\x00\x00\x01\x00", b"\x05\x00\x00\x02\x00"])
def test_a_reply_against_the_rules_ends_the_stream(reply: bytes) -> None:
    with pytest.raises(DecodeError):
        Socks5("h", 1).receive(b"\x05\x00" + reply)


@given(st.binary(min_size=1, max_size=300), st.booleans())
def test_any_bytes_open_or_are_refused(stream: bytes, has_login: bool) -> None:
    layer = Socks5("h", 1, ("a", "b") if has_login else None)
    try:
        layer.receive(stream)
    except (OpeningRefused, DecodeError):
        assert not layer.is_open
