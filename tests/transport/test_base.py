"""What every transport promises, whatever it sends over."""

import select
from collections.abc import Callable

import pytest

from mycelium.counters import Registry
from mycelium.endpoint import Endpoint
from mycelium.peer_url import SCHEMES
from mycelium.transport.base import Transport
from mycelium.transport.memory import MemoryHub
from mycelium.transport.quic.transport import QuicTransport
from mycelium.transport.streams.dialling import SCHEMES as STREAMS
from mycelium.transport.streams.transport import StreamTransport
from mycelium.transport.udp import UdpTransport
from tests.transport.quic.support import MemoryCarrier, MemoryNet

KINDS: dict[str, Callable[[], Transport]] = {
    "udp": lambda: UdpTransport.open("127.0.0.1", 0),
    "quic": lambda: QuicTransport([MemoryCarrier(MemoryNet(), "127.0.0.1")]),
    "tcp": lambda: StreamTransport.open([("127.0.0.1", 0)]),
    "memory": lambda: MemoryHub().open("127.0.0.1"),
}


def test_every_scheme_of_peer_urls_has_a_transport() -> None:
    assert {*SCHEMES, "memory"} == {*KINDS, *STREAMS}


@pytest.mark.parametrize("scheme", KINDS)
def test_an_idle_transport_has_nothing_and_wants_nothing(scheme: str) -> None:
    transport = KINDS[scheme]()
    assert not select.select([transport], [], [], 0)[0]
    assert transport.receive() is None
    assert (transport.holds_more(), transport.is_backed_up, transport.waited_s()) == (False, False, 0.0)
    assert (transport.unreachable, transport.refused, transport.oversize) == ({}, {}, {})
    assert transport.due_at == float("inf")
    transport.close()


@pytest.mark.parametrize("scheme", KINDS)
def test_it_reaches_endpoints_of_its_scheme_and_hears_at_its_own(scheme: str) -> None:
    transport = KINDS[scheme]()
    assert transport.scheme == scheme
    assert [own.scheme for own in transport.local_endpoints] == [scheme] * (
        scheme != "quic"
    )  # which hears where UDP does
    assert {other for other in KINDS if transport.reach(Endpoint(other, "127.0.0.1", 9651)) > 0} == {scheme}
    transport.close()


@pytest.mark.parametrize("scheme", KINDS)
def test_every_counter_says_what_it_counts(scheme: str) -> None:
    transport = KINDS[scheme]()
    metrics = Registry()
    metrics.add(transport.counters)
    assert {"received_bytes", "sent_bytes"} <= set(metrics.values())
    transport.close()


@pytest.mark.parametrize("scheme", KINDS)
def test_closing_twice_is_fine(scheme: str) -> None:
    transport = KINDS[scheme]()
    transport.close()
    transport.close()
    assert transport.fileno() == -1
