"""Whatever waits in a socket comes out as it went in, in order, from whoever sent it; equal datagrams come back to back."""

import errno
import socket
from collections.abc import Iterator
from math import inf

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mycelium import timing
from mycelium.endpoint import Endpoint
from mycelium.transport.udp import UdpTransport
from mycelium.transport.udp_burst import KEYS_REMEMBERED, MOST
from mycelium.transport.udp_socket import SOL_UDP, UDP_SEGMENT

FIRST = 1_000  # bytes of a datagram behind which others are gathered
Sent = tuple[int, bytes]  # by which of the senders, and what


@pytest.fixture(params=["127.0.0.1", "::1"])
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[True, False], ids=["offload", "portable"])
def transport(request: pytest.FixtureRequest) -> Iterator[UdpTransport]:
    made = UdpTransport.open("::", 0, offload=request.param)
    yield made
    made.close()


@pytest.fixture
def senders(host: str) -> Iterator[list[socket.socket]]:
    made = [socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for sender in made:
        sender.bind((host, 0))
    yield made
    for sender in made:
        sender.close()


def send(senders: list[socket.socket], transport: UdpTransport, sent: list[Sent]) -> None:
    port = transport.local_endpoints[0].port
    for number, data in sent:
        senders[number].sendto(data, (senders[number].getsockname()[0], port))


def batches(transport: UdpTransport) -> list[tuple[bytes, int, Endpoint]]:
    """Returns what is received until nothing waits; loopback delivers before the send returns."""
    taken = []
    while (received := transport.receive()) is not None:
        data, size, source = received
        taken.append((bytes(data), size, source))
    return taken


def datagrams(senders: list[socket.socket], transport: UdpTransport) -> list[Sent]:
    ports = [sender.getsockname()[1] for sender in senders]
    return [
        (ports.index(source.port), data[start : start + size])
        for data, size, source in batches(transport)
        for start in range(0, max(len(data), 1), size)
    ]


def numbered(number: int, size: int) -> bytes:
    return number.to_bytes(2, "big")[:size].ljust(size, b".")


def test_equal_datagrams_come_in_one_batch(
    transport: UdpTransport, senders: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "SILENCE_S", inf)  # after one the first of them is handed on alone
    sent = [(0, numbered(number, FIRST)) for number in range(30)] + [(0, b"\x10short")]
    send(senders, transport, sent)
    ((data, size, _),) = batches(transport)
    assert (data, size) == (b"".join(data for _, data in sent), FIRST)


def test_more_than_one_call_takes_come_all_the_same(transport: UdpTransport, senders: list[socket.socket]) -> None:
    sent = [(0, numbered(number, 200)) for number in range(3 * MOST + 5)]
    send(senders, transport, sent)
    assert datagrams(senders, transport) == sent


def test_what_the_kernel_has_joined_keeps_its_segments(transport: UdpTransport, senders: list[socket.socket]) -> None:
    send(senders, transport, [(0, numbered(1, FIRST)), (0, numbered(2, FIRST))])
    segmented = [(SOL_UDP, UDP_SEGMENT, (700).to_bytes(2, "little"))]
    whole = b"".join(numbered(number, 700) for number in range(10))
    name = (senders[0].getsockname()[0], transport.local_endpoints[0].port)
    senders[0].sendmsg([whole], segmented, 0, name)
    send(senders, transport, [(1, numbered(3, FIRST))])
    expected = [(0, numbered(1, FIRST)), (0, numbered(2, FIRST))]
    expected += [(0, numbered(number, 700)) for number in range(10)] + [(1, numbered(3, FIRST))]
    assert datagrams(senders, transport) == expected


SIZES = st.sampled_from((0, 1, 60, 200, FIRST, FIRST, FIRST, FIRST + 1, 9_000, 60_000))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.lists(st.tuples(st.integers(0, 1), SIZES), max_size=2 * MOST))
def test_any_datagrams_come_as_they_were_sent(
    transport: UdpTransport, senders: list[socket.socket], data: list[tuple[int, int]]
) -> None:
    sent = [(sender, numbered(number, size)) for number, (sender, size) in enumerate(data)]
    send(senders, transport, sent)
    assert datagrams(senders, transport) == sent
    assert transport.counters.receive_errors == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(firsts=st.lists(st.sampled_from(b"\x10\x14\x40\xc0"), max_size=MOST))
def test_quic_among_them_is_handed_over(
    transport: UdpTransport, senders: list[socket.socket], firsts: list[int]
) -> None:
    handed: list[bytes] = []
    transport.take_quic = lambda batch, size, source: handed.extend(
        bytes(batch[start : start + size]) for start in range(0, len(batch), size)
    )
    sent = [bytes((first, number)).ljust(FIRST, b".") for number, first in enumerate(firsts)]
    send(senders, transport, [(0, data) for data in sent])
    came = [data for _, data in [*datagrams(senders, transport), *datagrams(senders, transport)]]
    assert came == [data for data in sent if data[0] < 0x40]
    assert handed == [data for data in sent if data[0] >= 0x40]


def test_made_up_senders_fill_no_memory(transport: UdpTransport) -> None:
    burst = transport._burst
    for port in range(2 * KEYS_REMEMBERED):
        burst._names[:8] = b"\x0a\0" + port.to_bytes(2, "big") + bytes(4)
        assert burst._key(0)[0] is not None
    assert len(burst._keys) <= KEYS_REMEMBERED


def test_an_error_of_the_call_is_counted(
    transport: UdpTransport, senders: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mycelium.transport.udp_burst._recvmmsg", lambda *arguments: -1)
    monkeypatch.setattr("ctypes.get_errno", lambda: errno.ENOMEM)
    send(senders, transport, [(0, numbered(number, FIRST)) for number in range(2)])
    assert datagrams(senders, transport)[0] == (0, numbered(0, FIRST))
    assert transport.counters.receive_errors > 0
