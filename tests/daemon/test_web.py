"""A text is fetched over HTTPS from a server on this host, directly and through proxies."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Final

import pytest

from mycelium.admin.proxy_url import ProxyUrl
from mycelium.daemon.web import fetch
from mycelium.errors import ResolveError
from tests.lab.waiting import PATIENCE_S

TEXT: Final = b"udp://hub.example:9651\n"
LOCAL: Final = "127.0.0.1"


class Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(TEXT + self.path.encode() + str(self.headers["Authorization"]).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a web server whose certificate is trusted."""
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with HTTPServer((LOCAL, 0), Answering) as opened:
        opened.socket = context.wrap_socket(opened.socket, server_side=True)
        serving = threading.Thread(target=opened.serve_forever, args=(0.01,))
        serving.start()
        yield opened.server_address[1]
        opened.shutdown()
        serving.join()


class OneConnection:
    """A server that takes one connection, in a thread."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server((LOCAL, 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, args=(serve,))
        self._thread.start()

    def _run(self, serve: Callable[[socket.socket], None]) -> None:
        with self._listener, self._listener.accept()[0] as client:
            client.settimeout(PATIENCE_S)
            serve(client)

    def join(self) -> None:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


def read_until(stream: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        data += stream.recv(1)
    return data


def pass_on(client: socket.socket, port: int) -> None:
    """Carries bytes between a client and a server until both have ended."""

    def carry(source: socket.socket, destination: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the other end may have closed already
            while data := source.recv(65_536):
                destination.sendall(data)
            destination.shutdown(socket.SHUT_WR)

    with socket.create_connection((LOCAL, port)) as server:
        back = threading.Thread(target=carry, args=(server, client))
        back.start()
        carry(client, server)
        back.join()


def fetched(port: int, proxy: ProxyUrl | None = None, *, path: str = "/peers?all", user: str = "") -> bytes:
    return asyncio.run(fetch(f"https://{user}{LOCAL}:{port}{path}", 1_000, proxy))


def test_a_text_is_fetched_and_cut_at_its_bound(server: int) -> None:
    assert fetched(server) == TEXT + b"/peers?allNone"
    assert fetched(server, path="", user="me:s%20t@") == TEXT + b"/Basic bWU6cyB0"
    assert asyncio.run(fetch(f"https://{LOCAL}:{server}/", 10, None)) == TEXT[:10]


def test_an_http_proxy_is_asked_to_connect(server: int) -> None:
    asked: list[bytes] = []

    def serve(client: socket.socket) -> None:
        asked.append(read_until(client, b"\r\n\r\n"))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        pass_on(client, server)

    proxy = OneConnection(serve)
    assert fetched(server, ProxyUrl("http", LOCAL, proxy.port, ("me", "secret"))).startswith(TEXT)
    assert asked[0].startswith(f"CONNECT {LOCAL}:{server} HTTP/1.1\r\n".encode())
    assert b"Proxy-Authorization: Basic bWU6c2VjcmV0" in asked[0]
    proxy.join()


def test_a_socks_proxy_is_asked_to_connect(server: int) -> None:
    def serve(client: socket.socket) -> None:
        assert client.recv(3) == b"\x05\x01\x00"
        client.sendall(b"\x05\x00")
        assert client.recv(10)[:4] == b"\x05\x01\x00\x01"
        client.sendall(b"\x05\x00\x00\x01" + bytes(6))
        pass_on(client, server)

    proxy = OneConnection(serve)
    assert fetched(server, ProxyUrl("socks5", LOCAL, proxy.port)).startswith(TEXT)
    proxy.join()


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "the proxy refuses: 403 Forbidden"),
        (b"SSH-2.0\r\n\r\n", "the proxy does not speak HTTP"),
        (b"", "the proxy closes the connection"),
    ],
)
def test_what_a_proxy_does_instead_is_told(said: bytes, cause: str) -> None:
    def serve(client: socket.socket) -> None:
        read_until(client, b"\r\n\r\n")
        client.sendall(said)

    proxy = OneConnection(serve)
    with pytest.raises(ResolveError, match=cause):
        fetched(443, ProxyUrl("http", LOCAL, proxy.port))
    proxy.join()


def test_a_proxy_that_is_not_there_is_named() -> None:
    with pytest.raises(ResolveError, match=r"^the proxy 127\.0\.0\.1: nothing listens there"):
        fetched(443, ProxyUrl("http", LOCAL, 1))


@pytest.mark.parametrize("said", [b"", b"\x15\x03\x03"], ids=["silent", "half a record"])
def test_whoever_waits_no_longer_leaves_no_thread_behind(said: bytes) -> None:
    came = threading.Event()

    def serve(client: socket.socket) -> None:
        client.recv(10_000)
        client.sendall(said)
        came.set()
        with contextlib.suppress(OSError):
            while client.recv(10_000):
                pass

    slow = OneConnection(serve)

    async def cancelled() -> None:
        reading = asyncio.ensure_future(fetch(f"https://{LOCAL}:{slow.port}/", 10, None))
        await asyncio.to_thread(came.wait, PATIENCE_S)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    before = threading.active_count()
    asyncio.run(cancelled())
    slow.join()
    for thread in threading.enumerate():
        if thread.daemon:
            thread.join(PATIENCE_S)
    assert threading.active_count() <= before
