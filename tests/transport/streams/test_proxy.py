"""A proxy: where it is, and how it is asked for a peer."""

import pytest

from mycelium.endpoint import Endpoint
from mycelium.transport.streams.proxy import Proxy

ADDRESSES = [Endpoint("tcp", "2001:db8::1", 3128), Endpoint("tcp", "192.0.2.1", 3128)]


def test_its_addresses_take_turns_as_they_fail() -> None:
    proxy = Proxy("http")
    assert proxy.address is None
    proxy.addresses = ADDRESSES
    assert proxy.address == proxy.address == ADDRESSES[0]
    proxy.turn += 1
    assert proxy.address == ADDRESSES[1]
    proxy.addresses = ADDRESSES[:1]
    assert proxy.address == ADDRESSES[0]


@pytest.mark.parametrize(
    ("scheme", "host", "login", "request_"),
    [
        ("http", "mesh.example", None, b"CONNECT mesh.example:443 HTTP/1.1\r\n"),
        ("http", "2001:db8::1", None, b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\n"),
        (
            "http",
            "h",
            ("me", "secret"),
            b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nProxy-Authorization: Basic bWU6c2VjcmV0",
        ),
        ("socks5", "mesh.example", None, b"\x05\x01\x00"),
        ("socks5", "mesh.example", ("me", "secret"), b"\x05\x02\x00\x02"),
    ],
)
def test_it_is_asked_for_the_peer_by_its_name(
    scheme: str, host: str, login: tuple[str, str] | None, request_: bytes
) -> None:
    assert Proxy(scheme, login).opening(host, 443).take_answers().startswith(request_)
