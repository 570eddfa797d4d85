"""Which peers a proxy is asked for, and by what name."""

import asyncio
import socket
import threading

import pytest

from mycelium.admin.proxy_url import ProxyUrl
from mycelium.daemon import proxied
from mycelium.daemon.proxied import ProxiedPeers
from mycelium.endpoint import Endpoint
from mycelium.errors import ResolveError
from mycelium.peer_url import PeerUrl

PEERS = ProxiedPeers(ProxyUrl("http", "127.0.0.1", 3128))


def endpoints_of(peers: ProxiedPeers, url: str) -> list[Endpoint]:
    return asyncio.run(peers.resolve(PeerUrl.parse(url)))


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("tcp://mesh.example:443", Endpoint("tcp", "mesh.example", 443)),
        ("tls://mesh.example:443", Endpoint("tls", "mesh.example", 443, site="?sni=mesh.example")),
        ("wss://mesh.example/x?sni=front", Endpoint("wss", "mesh.example", 443, site="/x?sni=front")),
        ("wss://[2001:db8::1]/x", Endpoint("wss", "2001:db8::1", 443, site="/x")),
    ],
)
def test_a_peer_keeps_its_name_and_the_proxy_is_looked_up(url: str, endpoint: Endpoint) -> None:
    peers = ProxiedPeers(ProxyUrl("http", "127.0.0.1", 3128))
    assert endpoints_of(peers, url) == [endpoint]
    assert peers.proxy.address == Endpoint("tcp", "127.0.0.1", 3128)


def test_all_but_udp_go_through_it() -> None:
    urls = [PeerUrl.parse(f"{scheme}://mesh.example:443") for scheme in ("udp", "tcp", "tls", "wss")]
    assert [PEERS.has(url) for url in urls] == [False, True, True, True]


def test_a_peer_without_a_scheme_is_dialled_beside_the_proxy_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    peer, by_name = PeerUrl.parse("192.0.2.1:7"), PeerUrl.parse("mesh.example:7")
    assert PEERS.has(peer)
    through = Endpoint("tcp", "192.0.2.1", 7)
    assert asyncio.run(PEERS.resolve(peer)) == [Endpoint("udp", "192.0.2.1", 7), through]
    answers = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: answers.wait())
    monkeypatch.setattr(proxied, "DIRECT_S", 0.01)
    peers = ProxiedPeers(ProxyUrl("http", "127.0.0.1", 3128))
    assert asyncio.run(peers.resolve(by_name)) == [Endpoint("tcp", "mesh.example", 7)]
    answers.set()


def test_a_proxy_without_an_address_is_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    peers = ProxiedPeers(ProxyUrl("http", "proxy.example", 3128))

    def fail(*arguments: object, **options: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ResolveError, match=r"^the proxy proxy\.example: the name is not known"):
        endpoints_of(peers, "tcp://mesh.example:443")
    assert peers.proxy.address is None
