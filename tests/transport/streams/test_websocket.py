"""WebSocket between memory buffers: streams, web clients that are no peers, and hostile frames."""

import contextlib
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mycelium.errors import DecodeError, OpeningRefused
from mycelium.limits import WEBSOCKET_FRAME_BYTES
from mycelium.transport.streams.websocket import WebSocketClient, WebSocketServer
from tests.support.examples import examples
from tests.transport.streams.support import (
    BINARY,
    CLOSE,
    COMPRESSED,
    CONTINUATION,
    FINAL,
    PING,
    PONG,
    TEXT,
    UPGRADE,
    StreamEnd,
    frame,
    joined,
    pump,
)

DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"


def client() -> WebSocketClient:
    return WebSocketClient("mesh.example", 443, "/x")


def opened() -> WebSocketServer:
    server = WebSocketServer()
    assert server.receive(UPGRADE + b"\r\n") == b""
    assert server.take_answers().startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert server.is_open
    return server


@settings(max_examples=examples(30))
@given(st.lists(st.integers(1, 300), max_size=60), st.lists(st.binary(max_size=70_000), max_size=4))
def test_any_cutting_of_the_stream_gives_the_same_bytes(cuts: list[int], messages: list[bytes]) -> None:
    one, other = StreamEnd(client()), StreamEnd(WebSocketServer())
    pump(one, other, iter(cuts))
    for message in messages:
        one.send(message)
        other.send(message[::-1])
    pump(one, other, iter(cuts))
    assert other.received == b"".join(messages)
    assert one.received == b"".join(message[::-1] for message in messages)


def test_the_request_is_that_of_a_browser_for_this_path() -> None:
    request = client().take_answers().decode()
    assert request.startswith("GET /x HTTP/1.1\r\nHost: mesh.example\r\n")
    assert "\r\nSec-WebSocket-Version: 13\r\n" in request
    assert "Extensions" not in request
    assert "\r\nHost: [2001:db8::1]:8443\r\n" in WebSocketClient("2001:db8::1", 8443, "").take_answers().decode()


def test_bytes_are_masked_on_the_way_to_a_server() -> None:
    one, _ = joined(client(), WebSocketServer())
    data = random.Random(1).randbytes(1_000)
    one.send(data)
    assert data not in one.wire


# -- servers that are none of ours -------------------------------------------------------------------------------------


def test_a_server_without_it_is_named_to_the_operator() -> None:
    with pytest.raises(OpeningRefused, match="it has no WebSocket at this path: 404 Not Found"):
        client().receive(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
    ],
)
def test_a_server_of_another_kind_is_named_to_the_operator(answer: bytes) -> None:
    with pytest.raises(OpeningRefused, match="it does not speak WebSocket"):
        client().receive(answer)


# -- clients that are none of ours -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello",
        UPGRADE.replace(b"13", b"12") + b"\r\n",
        UPGRADE.replace(b"GET", b"PUT") + b"\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nno header\r\n\r\n",
        b"GET /" + b"x" * 9_000,
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\r\n\r\n" + frame(CLOSE),
    ],
)
def test_any_other_request_gets_the_page_that_is_not_there(request_: bytes) -> None:
    server = WebSocketServer()
    with pytest.raises(EOFError):
        server.receive(request_)
    page = server.take_answers().decode()
    assert page.startswith("HTTP/1.1 404 Not Found\r\n")
    assert page.endswith("\r\n\r\n404 page not found\n")
    assert "WebSocket" not in page
    assert not server.is_open


def test_a_request_without_end_opens_nothing() -> None:
    server = WebSocketServer()
    assert server.receive(UPGRADE) == b""
    assert not server.is_open
    assert server.take_answers() == b""


def test_what_follows_the_request_at_once_is_taken() -> None:
    server = WebSocketServer()
    assert server.receive(UPGRADE + b"\r\n" + frame(BINARY, b"early")) == b"early"


def test_compression_is_not_agreed_on_and_a_compressed_frame_ends_the_stream() -> None:
    server = WebSocketServer()
    server.receive(UPGRADE + DEFLATE + b"\r\n")
    assert b"Extensions" not in server.take_answers()
    with pytest.raises(DecodeError, match="reserved bits"):
        server.receive(frame(BINARY, b"\xcb\x48\xcd\xc9\xc9\x07\x00", flags=FINAL | COMPRESSED))


def test_a_ping_is_answered_once() -> None:
    server = opened()
    assert server.receive(frame(PING, b"?") + frame(PONG)) == b""
    assert server.take_answers() == bytes((FINAL | PONG, 1)) + b"?"


def test_fragments_are_passed_on_as_they_come() -> None:
    server = opened()
    assert server.receive(frame(BINARY, b"a", flags=0)) == b"a"
    for _ in range(100):
        assert len(server.receive(frame(CONTINUATION, bytes(50_000), flags=0))) == 50_000
    assert server.receive(frame(PING) + frame(CONTINUATION, b"z")) == b"z"
    assert len(server._server.reader.buffer) == 0


def test_the_peers_end_is_answered() -> None:
    server = opened()
    with pytest.raises(EOFError):
        server.receive(frame(CLOSE))
    assert server.take_answers() == bytes((FINAL | CLOSE, 0))


HOSTILE: list[bytes] = [
    frame(BINARY, length=WEBSOCKET_FRAME_BYTES + 1),
    frame(BINARY, length=(1 << 63) - 1),
    frame(TEXT, b"text"),
    frame(CONTINUATION, b"of nothing"),
    frame(BINARY, flags=0) + frame(BINARY),
    frame(PING, bytes(126)),
    frame(PING, flags=0),
    frame(3),
    frame(11),
    bytes((FINAL | BINARY, 1)) + b"x",  # not masked
    frame(CLOSE, b"\0"),
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_frame_against_the_rules_ends_the_stream(hostile: bytes) -> None:
    with pytest.raises(DecodeError):
        opened().receive(hostile)


@settings(max_examples=examples(300))
@given(st.binary(min_size=1, max_size=300), st.booleans())
def test_any_bytes_raise_nothing_else(rubbish: bytes, is_open: bool) -> None:
    for receive in (_receiver_of_server(is_open), client().receive):
        with contextlib.suppress(DecodeError, EOFError, OpeningRefused):
            receive(rubbish)


def _receiver_of_server(is_open: bool) -> Callable[[bytes], object]:
    return (opened() if is_open else WebSocketServer()).receive
