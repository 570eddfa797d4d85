"""Which transports a node has: where the operator said, or both at the default port; dialling by TCP in any case."""

import logging
import select
import socket
from collections.abc import Iterator

import pytest

from mycelium.daemon import listeners
from mycelium.daemon.listeners import open_transports
from mycelium.endpoint import Endpoint
from mycelium.errors import DeviceError
from mycelium.peer_url import PeerUrl
from mycelium.wire.datagram import FRAME_HEAD, FRAME_WORD
from tests.lab.waiting import PATIENCE_S

ON_LOOPBACK = [PeerUrl("udp", "127.0.0.1", 0), PeerUrl("tcp", "127.0.0.1", 0), PeerUrl("tcp", "::1", 0)]


@pytest.fixture
def taken() -> Iterator[int]:
    """A TCP port that another process listens at, free for UDP."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_each_listener_that_is_named_is_opened() -> None:
    transports = open_transports(ON_LOOPBACK)
    assert [(one.scheme, one.host) for one in transports.local_endpoints] == [
        ("udp", "127.0.0.1"),
        ("tcp", "127.0.0.1"),
        ("tcp", "::1"),
    ]
    transports.close()


@pytest.mark.parametrize("has_quic", [True, False])
def test_quic_shares_the_sockets_of_udp_unless_it_is_turned_off(has_quic: bool) -> None:
    transports = open_transports(ON_LOOPBACK[:1], has_quic=has_quic)
    assert any(one.reach(Endpoint("quic", "127.0.0.1", 9651)) for one in transports.transports) is has_quic
    assert any(one.reach(Endpoint("udp", "127.0.0.1", 9651)) for one in transports.transports)
    transports.close()


def test_peers_can_be_dialled_by_tcp_without_a_listener() -> None:
    transports = open_transports(ON_LOOPBACK[:1])
    assert [one.scheme for one in transports.local_endpoints] == ["udp"]
    assert any(one.reach(Endpoint("tcp", "192.0.2.1", 9651)) for one in transports.transports)
    transports.close()


def test_a_named_port_that_is_taken_is_an_error_and_nothing_stays_open(taken: int) -> None:
    urls = [PeerUrl("udp", "127.0.0.1", taken), PeerUrl("tcp", "127.0.0.1", taken)]
    for _ in range(2):
        with pytest.raises(DeviceError, match=f"tcp port {taken} is in use"):
            open_transports(urls)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", taken))


def test_a_default_tcp_port_that_is_taken_is_a_warning(
    taken: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    urls = PeerUrl("udp", "127.0.0.1", taken), PeerUrl("tcp", "127.0.0.1", taken)
    monkeypatch.setattr(listeners, "LISTEN_BY_DEFAULT", urls)
    with caplog.at_level(logging.WARNING):
        transports = open_transports([])
    assert [one.scheme for one in transports.local_endpoints] == ["udp"]
    assert f"tcp port {taken} is in use" in caplog.text
    transports.close()


def test_a_udp_port_has_sockets_for_links_and_for_strangers() -> None:
    transports = open_transports(ON_LOOPBACK[:1])
    links, _, strangers, *_ = transports.transports
    there = links.local_endpoints[0]
    transports.expect([7])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for index, taker in ((7, links), (8, strangers)):
            sender.sendto(FRAME_HEAD.pack(FRAME_WORD, index, 1), (there.host, there.port))
            assert select.select([links, strangers], [], [], PATIENCE_S)[0] == [taker]
            assert taker.receive() is not None
    transports.close()
