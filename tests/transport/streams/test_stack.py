"""Stacks of layers: each kind of peer is recognised by its first bytes, and what crosses comes out however it is cut."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.transport.framing import framed, split
from mycelium.transport.streams.http_connect import HttpConnect
from mycelium.transport.streams.layer import StreamLayer
from mycelium.transport.streams.socks5 import Socks5
from mycelium.transport.streams.stack import AcceptedStack, Stack
from mycelium.transport.streams.tls import TlsLayer, client_context
from mycelium.transport.streams.websocket import WebSocketClient
from tests.support.examples import examples
from tests.transport.streams.support import StreamEnd, accepted, pump

HTTP_ANSWER = b"HTTP/1.1 200 OK\r\n\r\n"
SOCKS_ANSWERS = b"\x05\x00" + b"\x05\x00\x00\x01" + bytes(6)


class ProxyBefore(AcceptedStack):
    """The listener, with a proxy before it that has swallowed the request and answers at once."""

    def __init__(self, request: bytes, answers: bytes) -> None:
        super().__init__(accepted()._tls_context)
        self._request, self._answers = request, answers

    def receive(self, data: "bytes | bytearray | memoryview") -> "bytes | bytearray | memoryview":
        taken = min(len(self._request), len(data))
        assert data[:taken] == self._request[:taken]
        self._request = self._request[taken:]
        return super().receive(data[taken:]) if len(data) > taken else b""

    def take_answers(self) -> bytes:
        answers, self._answers = self._answers, b""
        return answers + super().take_answers()


def tls() -> StreamLayer:
    return TlsLayer(client_context(), is_server=False, server_name="mesh.example")


def websocket() -> StreamLayer:
    return WebSocketClient("mesh.example", 443, "/")


def http_proxy() -> tuple[HttpConnect, ProxyBefore]:
    return HttpConnect("h:1"), ProxyBefore(HttpConnect("h:1").take_answers(), HTTP_ANSWER)


def socks_proxy() -> tuple[Socks5, ProxyBefore]:
    request = b"\x05\x01\x00" + b"\x05\x01\x00\x03\x01h\x00\x01"
    return Socks5("h", 1), ProxyBefore(request, SOCKS_ANSWERS)


PEERS: dict[str, tuple[str, Callable[[], tuple[list[StreamLayer], AcceptedStack]]]] = {
    "datagrams": ("tcp", lambda: ([], accepted())),
    "TLS": ("tls", lambda: ([tls()], accepted())),
    "WebSocket in TLS": ("wss", lambda: ([tls(), websocket()], accepted())),
    "WebSocket from a reverse proxy": ("wss", lambda: ([websocket()], accepted())),
    "datagrams by HTTP proxy": ("tcp", lambda: ([(pair := http_proxy())[0]], pair[1])),
    "TLS by HTTP proxy": ("tls", lambda: ([(pair := http_proxy())[0], tls()], pair[1])),
    "WebSocket by SOCKS proxy": ("wss", lambda: ([(pair := socks_proxy())[0], tls(), websocket()], pair[1])),
}


def datagrams_in(stream: bytearray) -> list[bytes]:
    found, taken = split(memoryview(stream))
    assert taken == len(stream)
    return [bytes(one) for one in found]


def typed(datagrams: list[bytes]) -> list[bytes]:
    return [b"\x10" + one for one in datagrams]


@pytest.mark.parametrize("name", PEERS)
@settings(max_examples=examples(12))
@given(st.lists(st.integers(1, 400), max_size=60), st.lists(st.binary(max_size=40_000), min_size=1, max_size=4))
def test_datagrams_cross_every_stack_however_its_stream_is_cut(
    name: str, cuts: list[int], datagrams: list[bytes]
) -> None:
    scheme, make = PEERS[name]
    layers, listener = make()
    one, other = StreamEnd(Stack(layers)), StreamEnd(listener)
    pump(one, other, iter(cuts))
    assert one.stream.is_open  # type: ignore[attr-defined]
    there, back = typed(datagrams), typed(datagrams[::-1])
    for datagram in there:
        one.send(b"".join(framed([datagram], 0xFFFF)))
    pump(one, other, iter(cuts))
    assert listener.is_open
    for datagram in back:
        other.send(b"".join(framed([datagram], 0xFFFF)))
    pump(one, other, iter(cuts))
    assert datagrams_in(other.received) == there
    assert datagrams_in(one.received) == back
    assert listener.scheme == scheme
    assert listener.is_bare is (scheme == "tcp")


def test_an_upper_layer_waits_for_the_one_below() -> None:
    stack = Stack([HttpConnect("h:1"), tls()])
    assert stack.take_answers().startswith(b"CONNECT h:1 ")
    assert stack.take_answers() == b""
    assert stack.receive(HTTP_ANSWER) == b""
    assert not stack.is_open
    assert stack.take_answers().startswith(b"\x16\x03")


def test_an_empty_stack_passes_bytes_as_they_are() -> None:
    stack = Stack([])
    assert stack.is_open
    assert stack.is_bare
    assert stack.receive(b"x") == stack.send(b"x") == b"x"
    assert stack.take_answers() == b""


@pytest.mark.parametrize(
    "first",
    [
        b"SSH-2.0-x\r\n",
        b"\0\0\x10",
        b"\x04\xd0\x0f",
        b"\x04\xd0\x20",
        b"\x16\x04\x01",
        b"PRI * HTTP/2.0",
        b"\x05\x01\0",
    ],
)
def test_what_is_none_of_them_is_refused_by_its_first_bytes(first: bytes) -> None:
    listener = accepted()
    for byte in first[:2]:
        assert listener.receive(bytes([byte])) == b""
    assert not listener.is_open
    with pytest.raises(DecodeError, match="neither TLS, nor HTTP, nor a datagram"):
        listener.receive(first[2:])


def test_tls_is_not_taken_within_tls() -> None:
    with pytest.raises(DecodeError):
        pump(StreamEnd(Stack([tls(), tls()])), StreamEnd(accepted()))


@pytest.mark.parametrize("layers", [[], [tls]])
def test_a_web_client_gets_a_page_and_the_end(layers: list[Callable[[], StreamLayer]]) -> None:
    one, other = StreamEnd(Stack([make() for make in layers])), StreamEnd(accepted())
    pump(one, other)
    one.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    with pytest.raises(EOFError):
        pump(one, other)
    one.take_from(other, 1 << 20)
    assert one.received.startswith(b"HTTP/1.1 404 Not Found\r\n")


@settings(max_examples=examples(200))
@given(st.binary(min_size=1, max_size=100), st.sampled_from([b"", b"\x16\x03\x01", b"GET ", b"\x00\x05\x10"]))
def test_any_first_bytes_raise_nothing_else(rubbish: bytes, start: bytes) -> None:
    listener = accepted()
    with contextlib.suppress(DecodeError, EOFError):
        listener.receive(start + rubbish)
