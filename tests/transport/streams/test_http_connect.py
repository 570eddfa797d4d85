"""An HTTP proxy in memory: what is asked of it, and each of its answers."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import OpeningRefused
from mycelium.limits import PROXY_ANSWER_BYTES
from mycelium.transport.streams.http_connect import HttpConnect

TARGET = "mesh.example:443"


def received(layer: HttpConnect, stream: bytes, cuts: list[int]) -> bytes:
    cuts = sorted({min(cut, len(stream)) for cut in cuts})
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    return b"".join(bytes(layer.receive(piece)) for piece in pieces if piece)


def test_the_host_is_asked_for_by_name() -> None:
    layer = HttpConnect(TARGET)
    assert layer.take_answers() == b"CONNECT mesh.example:443 HTTP/1.1\r\nHost: mesh.example:443\r\n\r\n"
    assert layer.take_answers() == b""
    assert not layer.is_open


def test_user_and_password_are_given() -> None:
    [header] = [line for line in HttpConnect(TARGET, ("me", "s:t")).take_answers().split(b"\r\n") if b"Proxy-" in line]
    assert base64.b64decode(header.removeprefix(b"Proxy-Authorization: Basic ")) == b"me:s:t"


@given(st.binary(max_size=50), st.lists(st.integers(0, 100), max_size=20))
def test_what_follows_the_answer_is_the_peers_however_it_is_cut(following: bytes, cuts: list[int]) -> None:
    layer = HttpConnect(TARGET)
    answer = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n"
    assert received(layer, answer + following, cuts) == following
    assert layer.is_open
    assert layer.receive(b"more") == layer.send(b"more") == b"more"


@pytest.mark.parametrize(
    ("answer", "login", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required", None, "the proxy wants a user and a password: 407 Proxy Auth"),
        (b"HTTP/1.1 407 No", ("a", "b"), "the proxy refuses this user and password: 407 No"),
        (b"HTTP/1.0 403 Forbidden\r\nA: b", None, "the proxy refuses: 403 Forbidden"),
        (b"HTTP/1.1 502 \x1b[2J", None, "the proxy refuses: 502 \\?\\[2J"),
        (b"HTTP/1.1 100 Continue", None, "the proxy refuses: 100 Continue"),
        (b"220 mail.example ESMTP", None, "the proxy does not speak HTTP"),
        (b"", None, "the proxy does not speak HTTP"),
    ],
)
def test_a_refusal_is_told_in_words(answer: bytes, login: tuple[str, str] | None, words: str) -> None:
    with pytest.raises(OpeningRefused, match=words):
        HttpConnect(TARGET, login).receive(answer + b"\r\n\r\n")


def test_headers_without_end_are_refused() -> None:
    layer = HttpConnect(TARGET)
    for _ in range(PROXY_ANSWER_BYTES // 8):
        assert layer.receive(b"A: bcd\r\n") == b""
    with pytest.raises(OpeningRefused, match="does not speak HTTP"):
        layer.receive(b"A")


def test_headers_may_be_as_long_as_their_bound_and_no_longer() -> None:
    for excess in (0, 1):
        head = b"HTTP/1.1 200 OK\r\nA: "
        answer = head + b"b" * (PROXY_ANSWER_BYTES - len(head) - 4 + excess) + b"\r\n\r\n"
        layer = HttpConnect(TARGET)
        if excess:
            with pytest.raises(OpeningRefused, match="does not speak HTTP"):
                layer.receive(answer + b"following")
        else:
            assert layer.receive(answer + b"following") == b"following"


@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_open_or_are_refused(answer: bytes) -> None:
    layer = HttpConnect(TARGET)
    try:
        layer.receive(answer)
    except OpeningRefused:
        assert not layer.is_open
