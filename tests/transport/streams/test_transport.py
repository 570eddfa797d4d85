"""TCP over loopback: datagrams both ways, connections that begin and end, and strangers who are kept short."""

import select
import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from mycelium.endpoint import Endpoint
from mycelium.errors import DeviceError
from mycelium.limits import STRANGER_BYTES, STREAM_DATAGRAM, TCP_STRANGERS_PER_HOST, TCP_UNSENT_DATA_BYTES
from mycelium.transport.streams import transport as streams
from mycelium.transport.streams.connection import RELIEVED_BYTES
from mycelium.transport.streams.sockets import listen
from mycelium.transport.streams.transport import CONNECT_S, SWEEP_S, UNUSED_S, StreamTransport
from mycelium.transport.underlay import Underlay

DEADLINE_S = 10.0


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["127.0.0.1", "::1"])
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pair(host: str, clock: Clock) -> Iterator[tuple[StreamTransport, StreamTransport]]:
    """One that only dials, and one that listens."""
    transports = StreamTransport(clock=clock), StreamTransport([listen(host, 0, Underlay())], clock=clock)
    yield transports
    for transport in transports:
        transport.close()


def at(transport: StreamTransport) -> Endpoint:
    return transport.local_endpoints[0]


def pump(*transports: StreamTransport, until: Callable[[], bool]) -> list[tuple[bytes, Endpoint]]:
    """Lets transports work until something is so; returns what they received."""
    received: list[tuple[bytes, Endpoint]] = []
    while True:
        for transport in transports:
            while (one := transport.receive()) is not None:
                received.append((bytes(one[0]), one[2]))
                assert one[1] == len(one[0])
        if until():
            return received
        ready = select.select([one for one in transports if not one.holds_more()], [], [], DEADLINE_S)[0]
        assert ready or any(one.holds_more() for one in transports), "nothing happens any more"


def received_by(transport: StreamTransport, *others: StreamTransport, count: int) -> list[tuple[bytes, Endpoint]]:
    received: list[tuple[bytes, Endpoint]] = []
    while len(received) < count:
        for other in others:
            other.receive()
        one = transport.receive()
        if one is not None:
            received.append((bytes(one[0]), one[2]))
        else:
            select.select([transport, *others], [], [], 0.05)
    return received


def trust(*transports: StreamTransport, clock: Clock) -> None:
    """Has the nodes of these transports use all their connections."""
    clock.now += SWEEP_S
    for transport in transports:
        transport.handle_timeout(lambda: set(transport._by_name), now=clock.now)  # noqa: B023 (called at once)


def dialled(one: StreamTransport, two: StreamTransport) -> tuple[Endpoint, Endpoint]:
    """Connects one to two; returns where each hears from the other."""
    one.send(at(two), [b"hello"], 1_200)
    [(data, there)] = received_by(two, one, count=1)
    assert data == b"hello"
    two.send(there, [b"answer"], 1_200)
    [(data, here)] = received_by(one, count=1)
    assert data == b"answer"
    return here, there


# -- datagrams ---------------------------------------------------------------------------------------------------------


def test_the_first_datagram_to_an_endpoint_dials_it_and_the_answer_comes_back(
    pair: tuple[StreamTransport, StreamTransport], host: str
) -> None:
    one, two = pair
    here, there = dialled(one, two)
    local = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    assert here == at(two)._replace(local=local)
    assert (there.scheme, there.host, there.local, there.connection) == ("tcp", host, local, 1)
    assert there.port not in (0, at(two).port)


def test_a_dual_stack_listener_shows_ipv4_plainly(clock: Clock) -> None:
    one, two = StreamTransport(clock=clock), StreamTransport([listen("::", 0, Underlay())], clock=clock)
    one.send(Endpoint("tcp", "127.0.0.1", at(two).port), [b"x"], 1_200)
    [(_, there)] = received_by(two, one, count=1)
    assert (there.host, there.local) == ("127.0.0.1", bytes((127, 0, 0, 1)))
    one.close()
    two.close()


def test_datagrams_of_every_size_arrive_as_they_were_and_in_order(
    pair: tuple[StreamTransport, StreamTransport], clock: Clock
) -> None:
    one, two = pair
    here, there = dialled(one, two)
    trust(one, two, clock=clock)
    sizes = [1, 60, 1_200, 62_000, STREAM_DATAGRAM, 2]
    for size in sizes:
        one.send(here, [bytes(size // 2), bytes(size - size // 2)], STREAM_DATAGRAM)
    one.send(here, [bytes(1_000), bytes(1_000), bytes(500)], 1_100)
    received = received_by(two, one, count=len(sizes) + 3)
    assert [len(data) for data, _ in received] == [*sizes, 1_100, 1_100, 300]
    assert {source for _, source in received} == {there}


def test_both_names_of_a_remote_are_one_connection(pair: tuple[StreamTransport, StreamTransport]) -> None:
    one, two = pair
    here, _ = dialled(one, two)
    one.send(here.remote, [b"bare"], 1_200)
    one.send(here._replace(local=b"gone"), [b"another address of ours"], 1_200)
    assert [data for data, _ in received_by(two, one, count=2)] == [b"bare", b"another address of ours"]
    assert (one.counters.dialled, two.counters.accepted) == (1, 1)


def test_datagrams_that_were_read_already_are_announced(
    pair: tuple[StreamTransport, StreamTransport], clock: Clock
) -> None:
    one, two = pair
    here, _ = dialled(one, two)
    one.send(here, [b"ab", b"cd", b"ef"], 2)
    assert received_by(two, one, count=1)[0][0] == b"ab"
    assert two.holds_more()
    received_by(two, one, count=2)
    assert not two.holds_more()


def test_an_empty_batch_sends_nothing(pair: tuple[StreamTransport, StreamTransport]) -> None:
    one, two = pair
    here, _ = dialled(one, two)
    one.send(here, [], 1_200)
    one.send(here, [b"x"], 1_200)
    assert received_by(two, one, count=1)[0][0] == b"x"


# -- a peer who does not read ------------------------------------------------------------------------------------------


def test_a_full_connection_drops_data_keeps_control_and_holds_no_other_back(
    pair: tuple[StreamTransport, StreamTransport], clock: Clock
) -> None:
    one, two = pair
    other = StreamTransport([listen("127.0.0.1", 0, Underlay())], clock=clock)
    here, _ = dialled(one, two)
    elsewhere, _ = dialled(one, other)
    trust(one, two, other, clock=clock)
    sent = 0
    while not one.counters.send_dropped:
        assert one.send(here, [bytes(60_000)], STREAM_DATAGRAM, True)
        sent += 1
    assert one._unsent_bytes <= TCP_UNSENT_DATA_BYTES
    one.send(here, [b"control"], STREAM_DATAGRAM, False)
    one.send(elsewhere, [b"to another"], STREAM_DATAGRAM, True)
    assert received_by(other, one, count=1)[0][0] == b"to another"
    received = received_by(two, one, count=sent)
    assert [len(data) for data, _ in received if len(data) != 7] == [60_000] * (sent - 1)
    assert received[-1][0] != b"control", "it overtook the data that waited"
    assert one._unsent_bytes == 0
    other.close()


def test_a_connection_with_much_to_send_says_so_until_it_has_sent_most(
    pair: tuple[StreamTransport, StreamTransport], clock: Clock
) -> None:
    one, two = pair
    here, _ = dialled(one, two)
    trust(one, two, clock=clock)
    while not one.is_backed_up:
        assert not one.counters.send_dropped
        one.send(here, [bytes(60_000)], STREAM_DATAGRAM, True)
    while one.is_backed_up:
        two.receive()
        one.receive()
    assert one._unsent_bytes <= RELIEVED_BYTES
    while not one.is_backed_up:
        one.send(here, [bytes(60_000)], STREAM_DATAGRAM, True)
    one._end(one._by_name[here])
    assert not one.is_backed_up


def test_a_descriptor_is_silent_while_nothing_can_be_sent_or_read(
    pair: tuple[StreamTransport, StreamTransport], clock: Clock
) -> None:
    one, two = pair
    here, _ = dialled(one, two)
    trust(one, two, clock=clock)
    while not one.counters.send_dropped:
        one.send(here, [bytes(60_000)], STREAM_DATAGRAM, True)
    assert one.receive() is None
    assert not select.select([one], [], [], 0)[0]


# -- connections that end ----------------------------------------------------------------------------------------------


def test_a_closed_connection_makes_its_endpoints_unreachable(pair: tuple[StreamTransport, StreamTransport]) -> None:
    one, two = pair
    _, there = dialled(one, two)
    one.close()
    pump(two, until=lambda: bool(two.unreachable))
    assert set(two.unreachable) == {there, there.remote}
    assert two.counters.ended == 1
    two.unreachable.clear()
    assert two.send(there, [b"x"], 1_200)
    assert list(two.unreachable) == [there]
    assert (two.counters.dialled, two.counters.send_lost) == (0, 1), "an accepted connection can't be dialled"


def test_sending_after_the_end_dials_again(pair: tuple[StreamTransport, StreamTransport]) -> None:
    one, two = pair
    here, there = dialled(one, two)
    two._end(two._by_name[there])
    pump(one, until=lambda: bool(one.unreachable))
    assert set(one.unreachable) == {here, here.remote}
    one.send(here, [b"again"], 1_200)
    [(data, new)] = received_by(two, one, count=1)
    assert (data, new.connection) == (b"again", 2)


def test_a_refused_connection_is_told(clock: Clock, host: str) -> None:
    one, two = StreamTransport(clock=clock), StreamTransport([listen(host, 0, Underlay())], clock=clock)
    nobody = at(two)
    two.close()
    assert one.send(nobody, [b"x"], 1_200)
    pump(one, until=lambda: bool(one.unreachable))
    assert list(one.unreachable) == [nobody]
    assert one.counters.dial_failed == 1
    one.close()


@pytest.mark.parametrize("name", ["example.net", "", "fe80::1::2"])
def test_a_host_that_is_no_address_is_told(name: str) -> None:
    one = StreamTransport()
    assert one.send(Endpoint("tcp", name, 9651), [b"x"], 1_200)
    assert one.counters.dial_failed == one.counters.send_lost == 1
    one.close()


def test_a_connection_that_nobody_answers_is_given_up(clock: Clock) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.socket() as first, socket.socket() as second:
            first.connect(full.getsockname())  # fills the queue of those who wait to be accepted
            second.setblocking(False)
            second.connect_ex(full.getsockname())
            one = StreamTransport(clock=clock)
            one.send(Endpoint("tcp", *full.getsockname()), [b"x"], 1_200)
            clock.now += CONNECT_S
            one.handle_timeout(set, now=clock.now)
            assert not one.unreachable
            clock.now += SWEEP_S
            one.handle_timeout(set, now=clock.now)
            assert one.counters.dial_failed == 1
            assert one.unreachable
            assert one.next_deadline() == float("inf")
            one.close()


def test_a_dead_connection_is_noticed_by_the_kernel(pair: tuple[StreamTransport, StreamTransport]) -> None:
    one, two = pair
    dialled(one, two)
    for transport in pair:
        [connection] = transport._connections.values()
        assert connection.stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) > 0
        assert connection.stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) > 0


# -- strangers ---------------------------------------------------------------------------------------------------------


def stranger_to(transport: StreamTransport) -> socket.socket:
    """Connects, and lets the transport accept or refuse."""
    before = transport.counters.accepted + transport.counters.refused
    stranger = socket.create_connection((at(transport).host, at(transport).port), timeout=DEADLINE_S)
    pump(transport, until=lambda: transport.counters.accepted + transport.counters.refused > before)
    return stranger


def is_closed(stranger: socket.socket) -> bool:
    try:
        return stranger.recv(1) == b""
    except ConnectionResetError:
        return True


def test_who_says_nothing_is_closed(pair: tuple[StreamTransport, StreamTransport], clock: Clock) -> None:
    _, two = pair
    with stranger_to(two) as stranger:
        clock.now += UNUSED_S
        two.handle_timeout(set, now=clock.now)
        assert len(two._connections) == 1
        clock.now += SWEEP_S
        two.handle_timeout(set, now=clock.now)
        assert is_closed(stranger)
    assert two.counters.unused == 1


def test_a_connection_that_the_node_uses_stays_and_one_it_no_longer_uses_does_not(
    pair: tuple[StreamTransport, StreamTransport], clock: Clock
) -> None:
    one, two = pair
    _, there = dialled(one, two)
    for _ in range(30):
        clock.now += UNUSED_S
        two.handle_timeout(lambda: {there}, now=clock.now)
    assert there in two._by_name
    clock.now += UNUSED_S + SWEEP_S
    two.handle_timeout(set, now=clock.now)
    assert there not in two._by_name


def test_little_is_read_of_a_stranger(pair: tuple[StreamTransport, StreamTransport], clock: Clock) -> None:
    _, two = pair
    with stranger_to(two) as stranger:
        stranger.sendall(struct.pack(">H", 0xFFFF) + bytes(10 * STRANGER_BYTES))
        pump(two, until=lambda: two.counters.received_bytes >= STRANGER_BYTES)
        assert two.counters.received_bytes == STRANGER_BYTES
        assert two.receive() is None
        assert not select.select([two], [], [], 0)[0], "it is no longer listened to"
        assert two.next_deadline() <= clock.now, "whether it is used is asked at once"
        two.handle_timeout(set, now=clock.now)
        assert is_closed(stranger)
    assert two.counters.unused == 1


def test_a_stranger_who_has_become_a_neighbour_is_read_on(
    pair: tuple[StreamTransport, StreamTransport], clock: Clock
) -> None:
    one, two = pair
    here, there = dialled(one, two)
    one._by_name[here].is_trusted = True
    for _ in range(3):
        one.send(here, [bytes(60_000)], STREAM_DATAGRAM)
    pump(two, until=lambda: two.next_deadline() <= clock.now)
    two.handle_timeout(lambda: {there}, now=clock.now)
    assert [len(data) for data, _ in received_by(two, one, count=3)] == [60_000] * 3


def test_another_protocol_is_hung_up_on(pair: tuple[StreamTransport, StreamTransport]) -> None:
    _, two = pair
    with stranger_to(two) as stranger:
        stranger.sendall(b"\0\0")
        pump(two, until=lambda: bool(two.counters.malformed))
        assert is_closed(stranger)


def test_one_host_may_not_have_many_unused_connections(pair: tuple[StreamTransport, StreamTransport]) -> None:
    _, two = pair
    strangers = [stranger_to(two) for _ in range(TCP_STRANGERS_PER_HOST)]
    with stranger_to(two) as refused:
        assert is_closed(refused)
    assert two.counters.refused == 1
    strangers.pop().close()
    pump(two, until=lambda: bool(two.counters.ended))
    strangers.append(stranger_to(two))
    assert two.counters.refused == 1
    for stranger in strangers:
        stranger.close()


def test_a_full_transport_closes_strangers_before_neighbours(
    pair: tuple[StreamTransport, StreamTransport], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "TCP_CONNECTIONS", 2)
    one, two = pair
    _, there = dialled(one, two)
    two.handle_timeout(lambda: {there}, now=clock.now + SWEEP_S)
    with stranger_to(two) as stranger, stranger_to(two):
        assert is_closed(stranger)
        assert there in two._by_name
        two.handle_timeout(lambda: set(two._by_name), now=clock.now + 3 * SWEEP_S)
        with stranger_to(two) as refused:
            assert is_closed(refused)
    assert (two.counters.unused, two.counters.refused) == (1, 1)


def test_a_process_out_of_descriptors_waits_before_it_accepts_again(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = listen("127.0.0.1", 0, Underlay())
    two = StreamTransport([listener], clock=clock)

    class Exhausted:
        def __getattr__(self, name: str) -> object:
            return getattr(listener, name)

        def accept(self) -> None:
            raise OSError(24, "Too many open files")

    two._listeners[listener.fileno()] = Exhausted()  # type: ignore[assignment]
    with socket.create_connection(listener.getsockname()):
        assert two.receive() is None
        assert not select.select([two], [], [], 0)[0]
        two._listeners[listener.fileno()] = listener
        two.handle_timeout(set, now=clock.now + SWEEP_S)
        pump(two, until=lambda: two.counters.accepted == 1)
    two.close()


# -- the operator's words ----------------------------------------------------------------------------------------------


def test_a_port_in_use_is_said_plainly_and_what_was_opened_is_closed() -> None:
    taken = StreamTransport.open([("127.0.0.1", 0)])
    port = at(taken).port
    with pytest.raises(DeviceError, match=f"tcp port {port} is in use: is another mycelium running\\?"):
        StreamTransport.open([("127.0.0.2", port), ("127.0.0.1", port)])
    StreamTransport.open([("127.0.0.2", port)]).close()
    taken.close()
    StreamTransport.open([("127.0.0.1", port)]).close()


def test_closing_twice_is_fine(pair: tuple[StreamTransport, StreamTransport]) -> None:
    for transport in pair:
        transport.close()
        transport.close()
        assert transport.fileno() == -1
