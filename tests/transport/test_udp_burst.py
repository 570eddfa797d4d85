"""Whatever waits in a socket comes out as it went in, in order, from whoever sent it; equal datagrams come back to back."""

import errno
import itertools
import socket
from collections.abc import Iterator
from math import inf

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mycelium import timing
from mycelium.endpoint import Endpoint
from mycelium.transport.udp import GATHER_BYTES, UdpTransport
from mycelium.transport.udp_burst import KEYS_REMEMBERED, MOST
from mycelium.transport.udp_socket import SOL_UDP, UDP_SEGMENT

FIRST = 1_000  # bytes of a datagram behind which others are gathered
LAST = b"\x10short"
LONG = GATHER_BYTES // FIRST // 2  # such datagrams in one send, so that what was read behind it begins the next read
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


def batches(transport: UdpTransport, most: float = inf) -> list[tuple[bytes, int, Endpoint]]:
    """Returns what is received until nothing waits; loopback delivers before the send returns."""
    taken: list[tuple[bytes, int, Endpoint]] = []
    while len(taken) < most and (received := transport.receive()) is not None:
        data, size, source = received
        taken.append((bytes(data), size, source))
    return taken


def datagrams(senders: list[socket.socket], transport: UdpTransport, most: float = inf) -> list[Sent]:
    ports = [sender.getsockname()[1] for sender in senders]
    return [
        (ports.index(source.port), data[start : start + size])
        for data, size, source in batches(transport, most)
        for start in range(0, max(len(data), 1), size)
    ]


def numbered(number: int, size: int) -> bytes:
    return number.to_bytes(2, "big")[:size].ljust(size, b".")


def test_equal_datagrams_come_in_one_batch(
    transport: UdpTransport, senders: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "SILENCE_S", inf)  # after one the first of them is handed on alone
    sent = [(0, numbered(number, FIRST)) for number in range(30)] + [(0, LAST)]
    send(senders, transport, sent)
    ((data, size, _),) = batches(transport)
    assert (data, size) == (b"".join(data for _, data in sent), FIRST)


def test_more_than_one_call_takes_come_all_the_same(transport: UdpTransport, senders: list[socket.socket]) -> None:
    sent = [(0, numbered(number, 200)) for number in range(3 * MOST + 5)]
    send(senders, transport, sent)
    first = datagrams(senders, transport, most=1)
    assert not transport.is_drained
    assert first + datagrams(senders, transport) == sent
    assert transport.is_drained


@pytest.mark.parametrize("lost", [set(), {5}, {0, 39}, {40}, {7, 50, 51, 90}], ids=str)
def test_what_was_sent_together_comes_together_whatever_was_lost(
    transport: UdpTransport, senders: list[socket.socket], monkeypatch: pytest.MonkeyPatch, lost: set[int]
) -> None:
    monkeypatch.setattr(timing, "SILENCE_S", inf)
    numbers = iter(range(10_000))
    sends = [[numbered(number, FIRST) for number in itertools.islice(numbers, 40)] for _ in range(6)]
    sends = [[data for data in one if int.from_bytes(data[:2], "big") not in lost] + [LAST] for one in sends]
    send(senders, transport, [(0, data) for one in sends for data in one])
    assert [data for data, _, _ in batches(transport)] == [b"".join(one) for one in sends]
    assert transport.counters.received_bytes == sum(len(data) for one in sends for data in one)
    assert transport.counters.received_batches < 2 * len(sends)


@pytest.mark.parametrize(
    ("early", "late", "expected"),
    [
        ([(0, 1)], [(1, 2), (0, 3)], [[1], [2], [3]]),
        ([(0, 1)], [(0, 2), (0, LAST), (0, 3)], [[1, 2, LAST], [3]]),
        ([(0, 1), (0, LAST)], [(0, 2)], [[1, LAST], [2]]),
        ([(1, 1), (0, 2)], [(1, 3), (0, 4)], [[1], [2], [3], [4]]),
    ],
    ids=["others come", "its rest comes", "it was whole", "others were behind it"],
)
def test_what_was_read_ahead_goes_together_with_its_rest_alone(
    transport: UdpTransport,
    senders: list[socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    early: list[tuple[int, int | bytes]],
    late: list[tuple[int, int | bytes]],
    expected: list[list[int | bytes]],
) -> None:
    def datagram(what: int | bytes) -> bytes:
        return what if isinstance(what, bytes) else numbered(what, FIRST)

    monkeypatch.setattr(timing, "SILENCE_S", inf)
    first = [numbered(0, FIRST)] * LONG + [LAST]
    send(senders, transport, [*((0, data) for data in first), *((number, datagram(what)) for number, what in early)])
    assert batches(transport, most=1)[0][0] == b"".join(first)
    send(senders, transport, [(number, datagram(what)) for number, what in late])
    assert [data for data, _, _ in batches(transport)] == [b"".join(map(datagram, one)) for one in expected]


def test_an_end_that_comes_late_is_read_alone_and_others_of_its_length_together(
    transport: UdpTransport, senders: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "SILENCE_S", inf)
    begun, end, short = numbered(0, FIRST) * 2, numbered(1, 200), numbered(2, 200)
    send(senders, transport, [(0, numbered(0, FIRST))] * 2)
    assert [data for data, _, _ in batches(transport)] == [begun]
    send(senders, transport, [(0, end), *[(0, numbered(0, FIRST))] * 2, (0, LAST)])
    assert [data for data, _, _ in batches(transport)] == [end, begun + LAST]
    send(senders, transport, [(0, short)] * 3)
    assert [data for data, _, _ in batches(transport)] == [short * 3], "after an end"
    send(senders, transport, [(0, numbered(0, FIRST))] * 2)
    assert [data for data, _, _ in batches(transport)] == [begun]
    send(senders, transport, [(0, end), *[(0, short)] * 3])
    assert [data for data, _, _ in batches(transport)] == [end, short * 3], "after one that came late"


def test_nothing_is_read_behind_short_ones_that_were_read_ahead(
    transport: UdpTransport, senders: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "SILENCE_S", inf)
    few = [numbered(0, FIRST)] * (LONG - 4) + [LAST]
    send(senders, transport, [(0, data) for data in [*few, numbered(1, FIRST)]])
    assert batches(transport, most=1)[0][0] == b"".join(few)
    send(senders, transport, [(0, numbered(2, FIRST))])
    assert [data for data, _, _ in batches(transport)] == [numbered(1, FIRST), numbered(2, FIRST)]


def test_what_begins_is_returned_though_the_next_call_fails(
    transport: UdpTransport, senders: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "SILENCE_S", inf)
    sent = [numbered(1, FIRST)] * LONG + [LAST, numbered(2, FIRST), numbered(3, FIRST)]
    send(senders, transport, [(0, data) for data in sent])
    assert transport.receive() is not None
    monkeypatch.setattr("mycelium.transport.udp_burst._recvmmsg", lambda *arguments: -1)
    monkeypatch.setattr("ctypes.get_errno", lambda: errno.ENOMEM)
    received = transport.receive()
    assert received is not None
    assert bytes(received[0]) == numbered(2, FIRST) + numbered(3, FIRST)
    assert received[1] == FIRST
    assert transport.counters.receive_errors == 1


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
