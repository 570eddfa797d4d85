"""The socket of a leased port."""

import socket
from collections.abc import Iterator

import pytest

from mycelium.transport.ephemeral_port import EphemeralPort
from mycelium.transport.underlay import Underlay
from tests.lab.waiting import PATIENCE_S

LOOPBACK = socket.if_nametoindex("lo")


@pytest.fixture
def underlay() -> Iterator[Underlay]:
    made = Underlay()
    yield made
    made.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_datagram_comes_with_its_source_and_interface_and_is_answered(underlay: Underlay, host: str) -> None:
    port = EphemeralPort(underlay)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.settimeout(PATIENCE_S)
        end.bind((host, 0))
        end.sendto(b"question", (host, port.port))
        received = port.receive()
        assert received is not None
        source, data = received
        assert (source.host, source.port, source.scope, data) == (host, end.getsockname()[1], LOOPBACK, b"question")
        port.send(source, b"answer")
        assert end.recvfrom(100)[0] == b"answer"
        assert port.receive() is None
    port.close()


def test_what_came_through_the_overlay_is_dropped(underlay: Underlay) -> None:
    underlay.follow("lo")
    port = EphemeralPort(underlay)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.sendto(b"inside", ("127.0.0.1", port.port))
        assert port.receive() is None
    port.close()
