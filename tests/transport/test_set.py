"""Several transports as one: each endpoint has the transport that fits, and a full one holds nobody else back."""

import logging
from collections.abc import Iterator, Sequence
from math import inf
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.counters import Registry
from mycelium.endpoint import Endpoint
from mycelium.limits import ENDPOINTS_REMEMBERED, MEMORY_TRANSPORT_BYTES, UNSENT_DATA_BYTES
from mycelium.outbox import Transmit
from mycelium.transport.base import Received
from mycelium.transport.memory import MemoryHub, MemoryTransport
from mycelium.transport.set import BYTES_PER_SEND, SEGMENTS_PER_SEND, TransportSet, merged
from mycelium.transport.udp import UdpTransport
from mycelium.transport.udp_socket import open_beside, open_udp_socket
from mycelium.transport.udp_steering import Steering
from mycelium.transport.underlay import Underlay

HERE, THERE = Endpoint("udp", "192.0.2.1", 1), Endpoint("udp", "192.0.2.2", 1)


def datagrams_of(transmits: Sequence[Transmit]) -> list[tuple[Endpoint, bytes, bool, int]]:
    """What leaves: the kernel cuts at multiples of the segment size."""
    datagrams = []
    for endpoint, buffers, size, is_bulk, traffic_class in transmits:
        data = b"".join(buffers)
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        datagrams += [(endpoint, piece, is_bulk, traffic_class) for piece in pieces]
    return datagrams


# -- joining datagrams -------------------------------------------------------------------------------------------------

LONE = st.builds(
    lambda endpoint, size, fill, is_bulk, kind: (endpoint, [bytes([fill]) * size], size, is_bulk, kind),
    st.sampled_from([HERE, THERE]),
    st.sampled_from([1, 60, 61, 1_200, 30_000, 70_000]),
    st.integers(0, 255),
    st.booleans(),
    st.sampled_from([0, 0, 0, 2]),
)
CHUNKED = st.builds(
    lambda fill: (HERE, [bytes([fill]) * 20, bytes([fill]) * 40, bytes([fill]) * 20, bytes(9)], 60, True, 0),
    st.integers(0, 255),
)


@given(st.lists(st.one_of(LONE, LONE, LONE, CHUNKED), max_size=200))
def test_joined_datagrams_come_apart_as_they_were(transmits: list[Transmit]) -> None:
    joined = list(merged(transmits))
    assert datagrams_of(joined) == datagrams_of(transmits)
    for _, buffers, size, *_ in joined:
        assert len(buffers) <= SEGMENTS_PER_SEND
        assert sum(map(len, buffers)) <= max(BYTES_PER_SEND, size)


def test_nothing_is_appended_after_a_shorter_datagram() -> None:
    """The kernel cuts at multiples of the first one's length."""
    transmits: list[Transmit] = [(HERE, [bytes(size)], size, True, 0) for size in (60, 60, 40, 60, 40, 40)]
    assert [len(buffers) for _, buffers, *_ in merged(transmits)] == [3, 2, 1]


def test_datagrams_of_one_length_to_one_endpoint_leave_in_one_call() -> None:
    transmits: list[Transmit] = [(HERE, [bytes(60)], 60, False, 0)] * 100
    assert [len(buffers) for _, buffers, *_ in merged(transmits)] == [64, 36]


# -- which transport ---------------------------------------------------------------------------------------------------


def taken(transport: MemoryTransport | UdpTransport) -> list[Received]:
    received = []
    while (one := transport.receive()) is not None:
        received.append((memoryview(bytes(one[0])), one[1], one[2]))
    return received


@pytest.fixture
def sockets() -> Iterator[TransportSet]:
    transports = TransportSet([UdpTransport.open(host, 0) for host in ("127.0.0.1", "::1", "127.0.0.1")])
    yield transports
    for transport in transports.transports:
        transport.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_endpoint_never_heard_of_goes_to_a_socket_of_its_family(sockets: TransportSet, host: str) -> None:
    with UdpTransportOf(host) as other:
        sockets.send([(Endpoint("udp", host, other.local_endpoints[0].port), [b"hello"], 5, False, 0)])
        [(data, _, source)] = taken(other)
    assert (bytes(data), source.host) == (b"hello", host)


@pytest.mark.parametrize("index", [0, 2])
def test_an_answer_leaves_from_the_socket_that_was_spoken_to(sockets: TransportSet, index: int) -> None:
    spoken_to = sockets.transports[index]
    with UdpTransportOf("127.0.0.1") as other:
        other.send(spoken_to.local_endpoints[0], [b"question"], 8)
        received = spoken_to.receive()
        assert received is not None
        sockets.send([(received[2], [b"answer"], 6, False, 0)])
        [(_, _, source)] = taken(other)
    assert source.remote == spoken_to.local_endpoints[0]


class UdpTransportOf:
    """A UDP transport for the time of a test."""

    def __init__(self, host: str) -> None:
        self._transport = UdpTransport.open(host, 0)

    def __enter__(self) -> UdpTransport:
        return self._transport

    def __exit__(self, *_: object) -> None:
        self._transport.close()


def test_the_scheme_picks_the_transport() -> None:
    hub = MemoryHub()
    ours = [hub.open("us", scheme=scheme) for scheme in ("udp", "tcp")]
    theirs = [hub.open("them", scheme=scheme) for scheme in ("udp", "tcp")]
    TransportSet(ours).send([(other.endpoint, [b"x"], 1, False, 0) for other in theirs])
    assert [taken(other)[0][2].scheme for other in theirs] == ["udp", "tcp"]


def test_what_no_transport_can_reach_is_counted_told_and_logged_once(
    sockets: TransportSet, caplog: pytest.LogCaptureFixture
) -> None:
    lost = [Endpoint("udp", "192.0.2.1", 9), Endpoint("tcp", "::1", 9), Endpoint("udp", "192.0.2.2", 9)]
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            sockets.send([(endpoint, [b"x"], 1, False, 0) for endpoint in lost])
    assert sockets.counters.no_transport_dropped == 6
    assert sockets.has_refusals()
    assert sockets.take_unreachable() == {
        endpoint: f"this node has no {endpoint.scheme} listener for {family}"
        for endpoint, family in zip(lost, ("IPv4", "IPv6", "IPv4"), strict=True)
    }
    assert sockets.take_unreachable() == {}
    assert [record.getMessage() for record in caplog.records] == [
        "no listener can send to udp://192.0.2.1:9: a udp one for IPv4 is needed",
        "no listener can send to tcp://[::1]:9: a tcp one for IPv6 is needed",
    ]


def test_strangers_can_not_have_the_socket_of_a_neighbour_forgotten(sockets: TransportSet) -> None:
    """The endpoint itself tells the socket; what is kept besides only saves the search, and is evicted one by one."""
    spoken_to = sockets.transports[2]
    with UdpTransportOf("127.0.0.1") as other:
        neighbour = other.local_endpoints[0]._replace(local_port=spoken_to.local_endpoints[0].port)
        for port in range(1, ENDPOINTS_REMEMBERED + 100):
            sockets._find_lane(Endpoint("udp", "127.0.0.9", port))
        assert len(sockets._lane_of) == ENDPOINTS_REMEMBERED
        sockets.send([(neighbour, [b"x"], 1, False, 0)])
        [(_, _, source)] = taken(other)
    assert source.remote == spoken_to.local_endpoints[0]


# -- a full transport --------------------------------------------------------------------------------------------------


class Network:
    """Two transports of ours, `udp` of which leads to a peer who reads nothing."""

    def __init__(self) -> None:
        hub = MemoryHub()
        self.stuck, self.free = hub.open("us", scheme="udp"), hub.open("us", scheme="tcp")
        self.silent, self.other = hub.open("them", scheme="udp"), hub.open("them", scheme="tcp")
        self.set = TransportSet([self.stuck, self.free])

    def fill(self) -> None:
        piece: Transmit = (self.silent.endpoint, [bytes(1 << 20)], 1 << 20, True, 0)
        pieces = MEMORY_TRANSPORT_BYTES // (1 << 20)
        assert list(self.set.send([piece] * pieces)) == []
        assert list(self.set.send([piece])) == [self.stuck]
        assert list(self.set.send([piece])) == []


def test_a_full_transport_holds_no_other_back() -> None:
    network = Network()
    network.fill()
    network.set.send([(network.other.endpoint, [b"x"], 1, True, 0)])
    assert [bytes(data) for data, _, _ in taken(network.other)] == [b"x"]


def test_what_waited_leaves_once_there_is_room_control_first() -> None:
    network = Network()
    network.fill()
    network.set.send([(network.silent.endpoint, [b"data"], 4, True, 0)])
    network.set.send([(network.silent.endpoint, [b"con", b"trol"], 7, False, 0)])
    assert not network.set.drain(network.stuck)
    taken(network.silent)
    assert network.set.drain(network.stuck)
    assert [len(data) for data, _, _ in taken(network.silent)] == [7, 1 << 20, 1 << 20, 4]
    network.set.send([(network.silent.endpoint, [b"at once"], 7, True, 0)])
    assert [bytes(data) for data, _, _ in taken(network.silent)] == [b"at once"]


def test_bulk_data_beyond_the_bound_is_dropped_and_control_is_not() -> None:
    network = Network()
    network.fill()
    piece: Transmit = (network.silent.endpoint, [bytes(1 << 20)], 1 << 20, True, 0)
    network.set.send([piece] * (UNSENT_DATA_BYTES >> 20))
    network.set.send([(network.silent.endpoint, [b"control"], 7, False, 0)])
    assert network.set.counters.unsent_dropped == 2
    assert network.set.counters.unsent_control_dropped == 0
    taken(network.silent)
    network.set.drain(network.stuck)
    assert bytes(taken(network.silent)[0][0]) == b"control"


def test_a_transport_that_is_backed_up_after_a_send_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network()
    datagram = (network.other.endpoint, [b"x"], 1, True, 0)
    assert list(network.set.send([datagram])) == []
    monkeypatch.setattr(network.free, "is_backed_up", True)
    assert list(network.set.send([datagram])) == [network.free]
    assert list(network.set.send([])) == [], "nothing was sent by it"
    assert len(taken(network.other)) == 2, "it queues by itself"


# -- what is told ------------------------------------------------------------------------------------------------------


def test_what_transports_could_not_send_is_told_once() -> None:
    network = Network()
    network.stuck.unreachable[HERE] = "gone"
    network.free.unreachable[THERE] = "full"
    network.free.refused[THERE] = "forbidden"
    network.free.oversize[THERE] = 1_452
    assert (network.set.take_refused(), network.set.take_refused()) == ({THERE: "forbidden"}, {})
    assert network.set.take_unreachable() == {HERE: "gone", THERE: "full"}
    assert network.set.take_oversize() == [(THERE, 1_452)]
    assert (network.set.take_unreachable(), network.set.take_oversize()) == ({}, [])


def test_each_kind_of_refusal_alone_says_that_there_is_something_to_take() -> None:
    network = Network()
    assert not network.set.has_refusals()
    for refusals in (network.free.unreachable, network.free.refused, network.stuck.unreachable):
        refusals[HERE] = "why"
        assert network.set.has_refusals()
        refusals.clear()
    network.stuck.oversize[HERE] = 1_452
    assert network.set.has_refusals()
    network.set.take_oversize()
    assert not network.set.has_refusals()


def test_a_program_that_sorts_datagrams_is_replaced_when_that_is_due() -> None:
    udp = open_udp_socket("127.0.0.1", 0, Underlay())
    beside = open_beside(udp, Underlay())
    moments, work = (
        iter((0.0, 1.0, 2.0)),
        iter((0.0, 1.0)),
    )  # the first one takes a second, so that the next has to rest
    steering = Steering(beside, clock=lambda: next(moments, 100.0), work_clock=lambda: next(work, 1.0))
    several = TransportSet([], steerings=[steering])
    assert several.next_deadline() == inf
    several.expect([1])
    several.expect([2])
    due_at = several.next_deadline()
    assert 1 < due_at < inf
    several.handle_timeout(list, now=due_at)
    assert several.next_deadline() == inf
    udp.close()
    beside.close()


def test_counters_carry_the_name_of_their_scheme_and_add_up() -> None:
    hub = MemoryHub()
    several = TransportSet([hub.open("a", scheme="udp"), hub.open("b", scheme="udp"), hub.open("c", scheme="tcp")])
    for transport in several.transports:
        transport.send(HERE, [b"xx"], 2)
    metrics = Registry()
    several.register(metrics)
    counters = metrics.values()
    assert (counters["udp_sent_bytes"], counters["tcp_sent_bytes"]) == (4, 2)
    assert [one.host for one in several.local_endpoints] == ["a", "b", "c"]


def test_a_transport_that_uses_the_sockets_of_another_one_is_closed_before_it() -> None:
    closed: list[str] = []
    udp, quic = Mock(), Mock()
    udp.close.side_effect = lambda: closed.append("udp")
    quic.close.side_effect = lambda: closed.append("quic")
    TransportSet([udp, quic]).close()
    assert closed == ["quic", "udp"]
