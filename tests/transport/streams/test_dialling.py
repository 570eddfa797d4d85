"""Connections that begin: to the peer itself or to a proxy, with the layers of their scheme."""

import socket
from collections.abc import Iterator

import pytest

from mycelium.endpoint import Endpoint
from mycelium.transport.streams.connection import StreamConnection
from mycelium.transport.streams.dialling import Dialling, Proxy
from mycelium.transport.underlay import Underlay

NAMED = Endpoint("wss", "mesh.example", 443, site="/x?sni=front.example&alpn=h9")


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(10)
        yield made


def at(server: socket.socket, scheme: str, site: str = "") -> Endpoint:
    return Endpoint(scheme, *server.getsockname())._replace(site=site)


def first_bytes(connection: StreamConnection, server: socket.socket) -> bytes:
    """Returns what the other end hears first."""
    accepted = server.accept()[0]
    with accepted, connection.stream:
        connection.is_connecting = False
        connection.flush()
        accepted.settimeout(10)
        return accepted.recv(1 << 16)


def test_tcp_has_no_layers(server: socket.socket) -> None:
    connection = Dialling(Underlay(), None).begin(at(server, "tcp"), now=0.0)
    assert connection.stack is None
    assert connection.peer == at(server, "tcp")
    connection.stream.close()


def test_tls_asks_for_what_the_site_says(server: socket.socket) -> None:
    hello = first_bytes(
        Dialling(Underlay(), None).begin(at(server, "tls", "?sni=mesh.example&alpn=h9"), now=0.0), server
    )
    assert hello.startswith(b"\x16\x03")
    assert b"mesh.example" in hello
    assert b"\x02h9" in hello
    assert b"\x08http/1.1" in first_bytes(Dialling(Underlay(), None).begin(at(server, "wss"), now=0.0), server)


@pytest.mark.parametrize(
    ("scheme", "host", "request_"),
    [
        ("http", "mesh.example", b"CONNECT mesh.example:443 HTTP/1.1\r\n"),
        ("http", "2001:db8::1", b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\n"),
        ("socks5", "mesh.example", b"\x05\x01\x00"),
    ],
)
def test_a_proxy_is_asked_for_the_peer_by_its_name(
    server: socket.socket, scheme: str, host: str, request_: bytes
) -> None:
    proxy = Proxy(scheme, address=at(server, "tcp"))
    connection = Dialling(Underlay(), proxy).begin(NAMED._replace(host=host), now=0.0)
    assert connection.peer.host == host
    assert first_bytes(connection, server).startswith(request_)


def test_a_proxy_is_given_its_login(server: socket.socket) -> None:
    proxy = Proxy("http", ("me", "secret"), at(server, "tcp"))
    assert b"\r\nProxy-Authorization: Basic " in first_bytes(Dialling(Underlay(), proxy).begin(NAMED, now=0.0), server)
    proxy = Proxy("socks5", ("me", "secret"), at(server, "tcp"))
    assert first_bytes(Dialling(Underlay(), proxy).begin(NAMED, now=0.0), server) == b"\x05\x02\x00\x02"


def test_a_proxy_whose_address_is_not_known_can_t_be_dialled() -> None:
    with pytest.raises(OSError, match="the address of the proxy is not known"):
        Dialling(Underlay(), Proxy("http")).begin(NAMED, now=0.0)


def test_a_proxy_within_the_overlay_is_not_used() -> None:
    proxy = Proxy("http", address=Endpoint("tcp", "400::1", 8080))
    with pytest.raises(OSError, match="the proxy can't be used: 400::1 lies in the overlay itself"):
        Dialling(Underlay(), proxy).begin(NAMED, now=0.0)


def test_a_name_without_a_proxy_can_t_be_dialled() -> None:
    with pytest.raises(OSError, match="not a numeric address"):
        Dialling(Underlay(), None).begin(NAMED, now=0.0)
