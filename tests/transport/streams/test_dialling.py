"""Connections that begin: to the peer itself or to a proxy, with the layers of their scheme."""

import socket
from collections.abc import Iterator

import pytest

from mycelium.endpoint import Endpoint
from mycelium.errors import OpeningRefused
from mycelium.transport.streams.connection import StreamConnection
from mycelium.transport.streams.dialling import Dialling
from mycelium.transport.streams.proxy import Proxy
from mycelium.transport.underlay import Underlay
from tests.lab.waiting import PATIENCE_S

NAMED = Endpoint("wss", "mesh.example", 443, site="/x?sni=front.example&alpn=h9")


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(PATIENCE_S)
        yield made


def at(server: socket.socket, scheme: str, site: str = "") -> Endpoint:
    return Endpoint(scheme, *server.getsockname())._replace(site=site)


def first_bytes(connection: StreamConnection, server: socket.socket) -> bytes:
    """Returns what the other end hears first."""
    accepted = server.accept()[0]
    with accepted, connection.stream:
        connection.is_connecting = False
        connection.flush()
        accepted.settimeout(PATIENCE_S)
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


def test_a_proxy_is_dialled_and_asked_for_the_peer(server: socket.socket) -> None:
    dialling = Dialling(Underlay(), Proxy("http", None, [Endpoint("tcp", "127.0.0.1", 1), at(server, "tcp")]))
    dialling.begin(NAMED, now=0.0).stream.close()
    assert dialling.not_connected("no answer") == "the proxy tcp://127.0.0.1:1: no answer"
    connection = dialling.begin(NAMED, now=0.0)
    assert connection.peer == NAMED
    assert first_bytes(connection, server) == b"CONNECT mesh.example:443 HTTP/1.1\r\nHost: mesh.example:443\r\n\r\n"


def test_a_proxy_whose_address_is_not_known_can_t_be_dialled() -> None:
    with pytest.raises(OpeningRefused, match="the address of the proxy is not known"):
        Dialling(Underlay(), Proxy("http")).begin(NAMED, now=0.0)


def test_a_proxy_within_the_overlay_is_not_used() -> None:
    proxy = Proxy("http", None, [Endpoint("tcp", "400::1", 8080)])
    with pytest.raises(OpeningRefused, match="the proxy can't be used: 400::1 lies in the overlay itself"):
        Dialling(Underlay(), proxy).begin(NAMED, now=0.0)


def test_a_name_without_a_proxy_can_t_be_dialled() -> None:
    with pytest.raises(OpeningRefused, match="not a numeric address"):
        Dialling(Underlay(), None).begin(NAMED, now=0.0)
