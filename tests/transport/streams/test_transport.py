"""TCP over loopback: datagrams both ways, connections that begin and end, and strangers who are kept short."""

import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from mycelium.endpoint import Endpoint
from mycelium.errors import DeviceError
from mycelium.limits import STRANGER_BYTES, STREAM_DATAGRAM, TCP_STRANGERS_PER_HOST, TCP_UNSENT_DATA_BYTES
from mycelium.transport.backlog import RELIEVED_SHARE, STALL_S
from mycelium.transport.causes import CLOSED
from mycelium.transport.lifetime import CONNECT_S, SWEEP_S, UNUSED_S
from mycelium.transport.streams import causes, listeners
from mycelium.transport.streams import transport as streams
from mycelium.transport.streams.dialling import SCHEMES
from mycelium.transport.streams.listeners import BUSY_PAUSE_S
from mycelium.transport.streams.sockets import listen
from mycelium.transport.streams.transport import (
    STRANGERS_PER_POLL,
    StreamTransport,
)
from mycelium.transport.underlay import Underlay
from tests.lab.waiting import PATIENCE_S

CONTROL = b"\x10control"


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


@pytest.fixture(params=SCHEMES)
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pair(host: str, clock: Clock) -> Iterator[tuple[StreamTransport, StreamTransport]]:
    """One that only dials, and one that listens."""
    transports = StreamTransport(clock=clock), StreamTransport([listen(host, 0, Underlay())], clock=clock)
    yield transports
    for transport in transports:
        transport.close()


def at(transport: StreamTransport, scheme: str = "tcp") -> Endpoint:
    return transport.local_endpoints[0]._replace(scheme=scheme)


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
        ready = select.select([one for one in transports if not one.holds_more()], [], [], PATIENCE_S)[0]
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


def dialled(one: StreamTransport, two: StreamTransport, scheme: str = "tcp") -> tuple[Endpoint, Endpoint]:
    """Connects one to two; returns where each hears from the other."""
    one.send(at(two, scheme), [b"\x10hello"], 1_200)
    [(data, there)] = received_by(two, one, count=1)
    assert data == b"\x10hello"
    two.send(there, [b"\x10answer"], 1_200)
    [(data, here)] = received_by(one, two, count=1)
    assert data == b"\x10answer"
    return here, there


# -- datagrams ---------------------------------------------------------------------------------------------------------


def test_the_first_datagram_to_an_endpoint_dials_it_and_the_answer_comes_back(
    pair: tuple[StreamTransport, StreamTransport], scheme: str, host: str
) -> None:
    one, two = pair
    here, there = dialled(one, two, scheme)
    local = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    assert here == at(two, scheme)._replace(local=local)
    assert (there.scheme, there.host, there.local, there.connection) == (scheme, host, local, 1)
    assert there.port not in (0, at(two).port)


def test_a_dual_stack_listener_shows_ipv4_plainly(clock: Clock) -> None:
    one, two = StreamTransport(clock=clock), StreamTransport([listen("::", 0, Underlay())], clock=clock)
    one.send(Endpoint("tcp", "127.0.0.1", at(two).port), [b"\x10x"], 1_200)
    [(_, there)] = received_by(two, one, count=1)
    assert (there.host, there.local) == ("127.0.0.1", bytes((127, 0, 0, 1)))
    one.close()
    two.close()


def test_datagrams_of_every_size_arrive_as_they_were_and_in_order(
    pair: tuple[StreamTransport, StreamTransport], scheme: str, clock: Clock
) -> None:
    one, two = pair
    here, there = dialled(one, two, scheme)
    trust(one, two, clock=clock)
    sizes = [1, 60, 1_200, 62_000, STREAM_DATAGRAM, 2]
    for size in sizes:
        one.send(here, [bytes(size // 2), bytes(size - size // 2)], STREAM_DATAGRAM)
    one.send(here, [bytes(1_000), bytes(1_000), bytes(500)], 1_100)
    received = received_by(two, one, count=len(sizes) + 3)
    assert [len(data) for data, _ in received] == [*sizes, 1_100, 1_100, 300]
    assert {source for _, source in received} == {there}


def test_both_names_of_a_remote_are_one_connection(pair: tuple[StreamTransport, StreamTransport], scheme: str) -> None:
    one, two = pair
    here, _ = dialled(one, two, scheme)
    one.send(here.remote, [b"\x10bare"], 1_200)
    one.send(here._replace(local=b"gone"), [b"\x10another address of ours"], 1_200)
    assert [data for data, _ in received_by(two, one, count=2)] == [b"\x10bare", b"\x10another address of ours"]
    assert (one.counters.dialled, two.counters.accepted) == (1, 1)


def test_datagrams_that_were_read_already_are_announced(
    pair: tuple[StreamTransport, StreamTransport], scheme: str, clock: Clock
) -> None:
    one, two = pair
    here, _ = dialled(one, two, scheme)
    one.send(here, [b"\x10b", b"cd", b"ef"], 2)
    assert received_by(two, one, count=1)[0][0] == b"\x10b"
    assert two.holds_more()
    received_by(two, one, count=2)
    assert not two.holds_more()


@pytest.mark.usefixtures("arrival_times")
def test_datagrams_tell_for_how_long_the_last_byte_with_them_had_waited(
    pair: tuple[StreamTransport, StreamTransport], scheme: str
) -> None:
    one, two = pair
    assert two.waited_s() == 0.0  # nothing came yet
    here, _ = dialled(one, two, scheme)
    began = time.monotonic()
    one.send(here, [b"\x10a"], 1_200)
    assert select.select([two], [], [], PATIENCE_S)[0]
    came = time.monotonic()
    time.sleep(0.05)
    least = time.monotonic() - came
    assert [data for data, _ in received_by(two, count=1)] == [b"\x10a"]
    assert least <= two.waited_s() <= time.monotonic() - began


def test_an_empty_batch_sends_nothing(pair: tuple[StreamTransport, StreamTransport]) -> None:
    one, two = pair
    here, _ = dialled(one, two)
    one.send(here, [], 1_200)
    one.send(here, [b"\x10x"], 1_200)
    assert received_by(two, one, count=1)[0][0] == b"\x10x"


# -- a peer who does not read ------------------------------------------------------------------------------------------


def test_a_full_connection_drops_data_keeps_control_and_holds_no_other_back(
    pair: tuple[StreamTransport, StreamTransport], scheme: str, clock: Clock
) -> None:
    one, two = pair
    other = StreamTransport([listen("127.0.0.1", 0, Underlay())], clock=clock)
    here, _ = dialled(one, two, scheme)
    elsewhere, _ = dialled(one, other, scheme)
    trust(one, two, other, clock=clock)
    sent = 0
    while not one.counters.send_dropped:
        assert one.send(here, [bytes(60_000)], STREAM_DATAGRAM, True)
        sent += 1
        clock.now += STALL_S * one.is_backed_up
    assert one._backlog.unsent_bytes <= TCP_UNSENT_DATA_BYTES
    one.send(here, [CONTROL], STREAM_DATAGRAM, False)
    one.send(elsewhere, [b"\x10to another"], STREAM_DATAGRAM, True)
    assert received_by(other, one, count=1)[0][0] == b"\x10to another"
    received = received_by(two, one, count=sent)
    assert [len(data) for data, _ in received if data != CONTROL] == [60_000] * (sent - 1)
    assert received[-1][0] != CONTROL, "it overtook the data that waited"
    assert one._backlog.unsent_bytes == 0
    other.close()


def test_a_connection_with_much_to_send_says_so_until_it_has_sent_most(
    pair: tuple[StreamTransport, StreamTransport], scheme: str, clock: Clock
) -> None:
    one, two = pair
    here, _ = dialled(one, two, scheme)
    trust(one, two, clock=clock)
    while not one.is_backed_up:
        assert not one.counters.send_dropped
        one.send(here, [bytes(60_000)], STREAM_DATAGRAM, True)
    while one.is_backed_up:
        two.receive()
        one.receive()
    assert one._backlog.unsent_bytes <= TCP_UNSENT_DATA_BYTES // RELIEVED_SHARE
    while not one.is_backed_up:
        one.send(here, [bytes(60_000)], STREAM_DATAGRAM, True)
    one._end(one._by_name[here])
    assert not one.is_backed_up


def test_a_connection_that_stands_still_for_a_moment_loses_nothing(
    pair: tuple[StreamTransport, StreamTransport], clock: Clock
) -> None:
    one, two = pair
    here, _ = dialled(one, two)
    trust(one, two, clock=clock)
    sent = 0
    while one._backlog.unsent_bytes <= 4 * TCP_UNSENT_DATA_BYTES:
        one.send(here, [bytes(60_000)], STREAM_DATAGRAM, True)
        sent += 1
    assert not one.counters.send_dropped
    assert len(received_by(two, one, count=sent)) == sent


def test_a_connection_that_stays_stuck_does_not_keep_others_from_being_waited_for(
    pair: tuple[StreamTransport, StreamTransport], clock: Clock
) -> None:
    one, two = pair
    other = StreamTransport([listen("127.0.0.1", 0, Underlay())], clock=clock)
    stuck, _ = dialled(one, two)
    busy, _ = dialled(one, other)
    trust(one, two, other, clock=clock)

    def fill(endpoint: Endpoint) -> None:
        while not one.counters.send_dropped:
            one.send(endpoint, [bytes(60_000)], STREAM_DATAGRAM, True)
            clock.now += STALL_S
        one.counters.send_dropped = 0

    fill(stuck)
    assert one.is_backed_up
    one.stop_waiting()
    assert not one.is_backed_up
    fill(stuck)
    assert not one.is_backed_up, "it was waited for"
    fill(busy)
    assert one.is_backed_up
    while one.is_backed_up:
        other.receive()
        one.receive()
    while one._backlog.unsent_bytes:
        two.receive()
        one.receive()
    fill(stuck)
    assert one.is_backed_up, "it was relieved meanwhile"
    one._end(one._by_name[stuck])
    assert not one.is_backed_up
    other.close()


def test_a_descriptor_is_silent_while_nothing_can_be_sent_or_read(
    pair: tuple[StreamTransport, StreamTransport], scheme: str, clock: Clock
) -> None:
    one, two = pair
    here, _ = dialled(one, two, scheme)
    trust(one, two, clock=clock)
    while not one.counters.send_dropped:
        one.send(here, [bytes(60_000)], STREAM_DATAGRAM, True)
    assert one.receive() is None
    assert not select.select([one], [], [], 0)[0]


# -- connections that end ----------------------------------------------------------------------------------------------


def test_a_closed_connection_makes_its_endpoints_unreachable(
    pair: tuple[StreamTransport, StreamTransport], scheme: str
) -> None:
    one, two = pair
    _, there = dialled(one, two, scheme)
    one.close()
    pump(two, until=lambda: bool(two.unreachable))
    assert set(two.unreachable) == {there, there.remote}
    assert two.counters.ended == 1
    two.unreachable.clear()
    assert two.send(there, [b"\x10x"], 1_200)
    assert two.unreachable == {there: CLOSED}
    assert (two.counters.dialled, two.counters.send_lost) == (0, 1), "an accepted connection can't be dialled"


def test_sending_after_the_end_dials_again(pair: tuple[StreamTransport, StreamTransport], scheme: str) -> None:
    one, two = pair
    here, there = dialled(one, two, scheme)
    two._end(two._by_name[there])
    pump(one, until=lambda: bool(one.unreachable))
    assert set(one.unreachable) == {here, here.remote}
    one.send(here, [b"\x10again"], 1_200)
    [(data, new)] = received_by(two, one, count=1)
    assert (data, new.connection) == (b"\x10again", 2)


def test_a_refused_connection_is_told(clock: Clock, host: str) -> None:
    one, two = StreamTransport(clock=clock), StreamTransport([listen(host, 0, Underlay())], clock=clock)
    nobody = at(two)
    two.close()
    assert one.send(nobody, [b"\x10x"], 1_200)
    pump(one, until=lambda: bool(one.unreachable))
    assert one.unreachable == {nobody: "nothing listens there (connection refused)"}
    assert one.counters.dial_failed == 1
    one.close()


@pytest.mark.parametrize("name", ["example.net", "", "fe80::1::2"])
def test_a_host_that_is_no_address_is_told(name: str) -> None:
    one = StreamTransport()
    assert one.send(Endpoint("tcp", name, 9651), [b"\x10x"], 1_200)
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
            one.send(Endpoint("tcp", *full.getsockname()), [b"\x10x"], 1_200)
            clock.now += CONNECT_S
            one.handle_timeout(set, now=clock.now)
            assert not one.unreachable
            clock.now += SWEEP_S
            one.handle_timeout(set, now=clock.now)
            assert one.counters.dial_failed == 1
            assert set(one.unreachable.values()) == {causes.NOT_CONNECTED}
            assert one.due_at == float("inf")
            one.close()


@pytest.mark.parametrize(
    ("scheme", "answer", "cause"),
    [
        ("tls", b"SSH-2.0-x\r\n", "it does not speak TLS"),
        ("tls", b"\x15\x03\x03\0\x02\x02\x28", "the TLS handshake failed: "),
        ("wss", b"HTTP/1.1 400 Bad\r\n\r\n", "it does not speak TLS"),
    ],
)
def test_a_peer_that_does_not_open_the_stream_is_a_failed_dial(
    scheme: str, answer: bytes, cause: str, clock: Clock
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = StreamTransport(clock=clock)
        there = Endpoint(scheme, *server.getsockname())
        one.send(there, [b"\x10x"], 1_200)
        pump(one, until=lambda: bool(select.select([server], [], [], 0)[0]))
        peer = server.accept()[0]
        with peer:
            peer.sendall(answer)
            pump(one, until=lambda: bool(one.unreachable))
        assert one.unreachable[there].startswith(cause)
        assert (one.counters.dial_failed, one.counters.malformed) == (1, 0)
        one.close()


@pytest.mark.parametrize("scheme", ["tls", "wss"])
def test_a_stream_that_is_not_opened_is_given_up(scheme: str, clock: Clock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = StreamTransport(clock=clock)
        one.send(Endpoint(scheme, *server.getsockname()), [b"\x10x"], 1_200)
        pump(one, until=lambda: bool(select.select([server], [], [], 0)[0]))
        clock.now += CONNECT_S + SWEEP_S
        one.handle_timeout(set, now=clock.now)
        assert one.counters.dial_failed == 1
        assert set(one.unreachable.values()) == {causes.NOT_OPENED}
        one.close()


@pytest.mark.parametrize(("scheme", "cause"), [("tls", causes.CLOSED_EARLY), ("tcp", CLOSED)])
def test_a_peer_that_hangs_up_is_told(scheme: str, cause: str, clock: Clock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = StreamTransport(clock=clock)
        one.send(Endpoint(scheme, *server.getsockname()), [b"\x10x"], 1_200)
        pump(one, until=lambda: bool(select.select([server], [], [], 0)[0]))
        pump(one, until=lambda: not any(connection.is_connecting for connection in one._connections.values()))
        server.accept()[0].close()
        pump(one, until=lambda: bool(one.unreachable))
        assert set(one.unreachable.values()) == {cause}
        one.close()


def test_the_same_address_by_another_name_or_scheme_is_another_connection(clock: Clock) -> None:
    one, two = StreamTransport(clock=clock), StreamTransport([listen("127.0.0.1", 0, Underlay())], clock=clock)
    sites = ["", "/a", "/b?sni=mesh.example"]
    for site in sites:
        one.send(at(two, "wss")._replace(site=site), [site.encode() or b"\x10"], 1_200)
    one.send(at(two), [b"\x10"], 1_200)
    assert len({source for _, source in received_by(two, one, count=4)}) == 4
    assert one.counters.dialled == 4
    one.close()
    two.close()


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
    stranger = socket.create_connection((at(transport).host, at(transport).port), timeout=PATIENCE_S)
    pump(transport, until=lambda: transport.counters.accepted + transport.counters.refused > before)
    return stranger


def is_closed(stranger: socket.socket) -> bool:
    """Waits for the end, behind a page for web browsers if there is one."""
    try:
        while stranger.recv(1_024):
            pass
    except ConnectionResetError:
        pass
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
    pair: tuple[StreamTransport, StreamTransport], scheme: str, clock: Clock
) -> None:
    one, two = pair
    _, there = dialled(one, two, scheme)
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
        stranger.sendall(struct.pack(">HB", 0xFFFF, 0x10) + bytes(10 * STRANGER_BYTES))
        pump(two, until=lambda: two.counters.received_bytes >= STRANGER_BYTES)
        assert two.counters.received_bytes == STRANGER_BYTES
        assert two.receive() is None
        assert not select.select([two], [], [], 0)[0], "it is no longer listened to"
        assert two.due_at <= clock.now, "whether it is used is asked at once"
        two.handle_timeout(set, now=clock.now)
        assert is_closed(stranger)
    assert two.counters.unused == 1


def test_a_stranger_who_has_become_a_neighbour_is_read_on(
    pair: tuple[StreamTransport, StreamTransport], scheme: str, clock: Clock
) -> None:
    one, two = pair
    here, there = dialled(one, two, scheme)
    one._by_name[here].is_trusted = True
    for _ in range(3):
        one.send(here, [bytes(60_000)], STREAM_DATAGRAM)
    pump(two, until=lambda: two.due_at <= clock.now)
    two.handle_timeout(lambda: {there}, now=clock.now)
    assert [len(data) for data, _ in received_by(two, one, count=3)] == [60_000] * 3


def test_another_protocol_is_hung_up_on(pair: tuple[StreamTransport, StreamTransport]) -> None:
    _, two = pair
    with stranger_to(two) as stranger:
        stranger.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        pump(two, until=lambda: bool(two.counters.malformed))
        assert is_closed(stranger)


@pytest.mark.parametrize("is_secure", [False, True])
def test_a_web_browser_gets_an_ordinary_page_that_is_not_there(
    pair: tuple[StreamTransport, StreamTransport], is_secure: bool
) -> None:
    _, two = pair
    plain = stranger_to(two)
    with secured(plain, two) if is_secure else plain as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\nHost: mesh.example\r\n\r\n")
        pump(two, until=lambda: bool(two.counters.ended))
        page = b""
        while data := stranger.recv(4_096):
            page += data
    assert page.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert page.endswith(b"\r\n\r\n404 page not found\n")


def secured(stranger: socket.socket, transport: StreamTransport) -> ssl.SSLSocket:
    """Returns the connection with TLS on it, as an ordinary client does it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    client = context.wrap_socket(stranger, server_hostname="mesh.example", do_handshake_on_connect=False)
    client.setblocking(False)
    while True:
        try:
            client.do_handshake()
            break
        except ssl.SSLWantReadError:
            select.select([client.fileno(), transport.fileno()], [], [], PATIENCE_S)
            assert transport.receive() is None
    client.settimeout(PATIENCE_S)
    assert client.selected_alpn_protocol() == "http/1.1"
    return client


@pytest.mark.parametrize(
    "beginning",
    [b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc", b"GET / HTTP/1.1\r\nA: ", b"\xff\xff\x10"],
    ids=["TLS", "HTTP", "tcp"],
)
@pytest.mark.parametrize("count", [0, STRANGER_BYTES * 2])
def test_what_is_begun_without_end_is_closed_after_a_while_or_a_handshakes_worth(
    pair: tuple[StreamTransport, StreamTransport], clock: Clock, beginning: bytes, count: int
) -> None:
    _, two = pair
    with stranger_to(two) as stranger:
        stranger.sendall(beginning + b"x\r\nA: " * (count // 6))
        if count:
            pump(two, until=lambda: not two._connections or two.counters.received_bytes == STRANGER_BYTES)
        else:
            pump(two, until=lambda: two.counters.received_bytes == len(beginning))
            clock.now += UNUSED_S
            two.handle_timeout(set, now=clock.now)
            assert two._connections
            clock.now += SWEEP_S
        two.handle_timeout(set, now=clock.now)
        assert is_closed(stranger)
    assert two.counters.received_bytes <= STRANGER_BYTES
    assert not two._strangers


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


def test_strangers_are_accepted_at_a_rate(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "TCP_ACCEPTED_PER_SECOND", 3)
    two = StreamTransport([listen("127.0.0.1", 0, Underlay())], clock=clock)
    with ExitStack() as strangers:
        for _ in range(9):
            strangers.enter_context(socket.create_connection((at(two).host, at(two).port)))
        pump(two, until=lambda: two.due_at <= clock.now + BUSY_PAUSE_S)
        assert two.counters.accepted == 4, "three at once, and the one that was too many"
        assert not select.select([two], [], [], 0)[0], "the others wait in the kernel"
        clock.now += 1.0
        two.handle_timeout(set, now=clock.now)
        pump(two, until=lambda: two.due_at <= clock.now + BUSY_PAUSE_S)
        assert two.counters.accepted == 8
    two.close()


def test_a_neighbour_has_its_turn_among_many_strangers(
    pair: tuple[StreamTransport, StreamTransport], clock: Clock
) -> None:
    """What a stranger sends may take long: a TLS handshake."""
    one, two = pair
    here, _ = dialled(one, two)
    trust(one, two, clock=clock)
    with ExitStack() as opened:
        strangers = [opened.enter_context(stranger_to(two)) for _ in range(3 * STRANGERS_PER_POLL)]
        for stranger in strangers:
            stranger.sendall(b"SSH-2.0-x\r\n")
        one.send(here, [b"\x10"], 1_200)
        select.select([two], [], [], PATIENCE_S)
        assert two.receive() is not None
        assert two.counters.malformed <= STRANGERS_PER_POLL
        pump(two, until=lambda: two.counters.malformed == len(strangers))


def test_a_full_transport_closes_strangers_before_neighbours(
    pair: tuple[StreamTransport, StreamTransport], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "TCP_CONNECTIONS", 2)
    one, two = pair
    _, there = dialled(one, two)
    two.handle_timeout(lambda: {there}, now=clock.now + SWEEP_S)
    with stranger_to(two) as stranger, stranger_to(two) as neighbour:
        assert is_closed(stranger)
        assert there in two._by_name
        neighbour.sendall(b"\0\1\x10")
        received_by(two, count=1)
        two.handle_timeout(lambda: set(two._by_name), now=clock.now + 3 * SWEEP_S)
        with stranger_to(two) as refused:
            assert is_closed(refused)
    assert (two.counters.unused, two.counters.refused) == (1, 1)


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
